// Her face on a canvas: asks for one frame after the other. A frame is a vector scene, drawn here at the screen's own
// size and rate (src/ohlora/face/drawing/portrait), or a picture where what draws her knows no scenes.

export class LiveFace {
  constructor(canvas, { at = "", ondrawn = () => {}, ongone = () => {}, onback = () => {} } = {}) {
    Object.assign(this, { canvas, at, ondrawn, ongone, onback, running: false });
  }

  async frame(after) {
    const answer = await fetch(`${this.at}/frame?after=${after}&as=scene`);
    if (!answer.ok) throw new Error(answer.statusText);
    const number = Number(answer.headers.get("X-Frame"));
    if (answer.headers.get("Content-Type").startsWith("application/json")) {
      return { number, scene: unpacked(await answer.json()), arrived: performance.now() };
    }
    return { number, picture: await createImageBitmap(await answer.blob()) };
  }

  // One frame is drawn over there while the one before it is shown here; a hidden page shows none and asks for none.
  async run() {
    this.running = true;
    let gone = false;
    let coming = this.frame(-1);
    while (this.running) {
      try {
        const frame = await coming;
        coming = this.frame(frame.number);
        coming.catch(() => {}); // told where it is awaited
        if (frame.scene) await this.glide(frame, coming);
        else await this.show(frame.picture);
        if (gone) this.onback();
        gone = false;
      } catch {
        gone = true;
        this.ongone();
        this.before = null;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        coming = this.frame(-1);
        coming.catch(() => {});
      }
    }
  }

  async show(picture) {
    await new Promise(requestAnimationFrame);
    if (this.canvas.width !== picture.width) this.canvas.width = this.canvas.height = picture.width;
    this.canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    this.ondrawn();
  }

  // From the scene before to this one, at every refresh of the screen until the next one is there.
  async glide(frame, coming) {
    const before = this.before?.scene.key === frame.scene.key ? this.before : null;
    const lasts = before ? Math.min(frame.arrived - before.arrived, 100) : 0;
    const began = performance.now();
    let next = false;
    coming.then(() => { next = true; }, () => { next = true; });
    let share;
    do {
      await new Promise(requestAnimationFrame);
      share = lasts ? Math.min((performance.now() - began) / lasts, 1) : 1;
      const side = Math.round(this.canvas.clientWidth * devicePixelRatio) || this.canvas.width;
      if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
      drawScene(this.canvas, share < 1 ? between(before.scene, frame.scene, share) : frame.scene);
      this.ondrawn();
    } while (share < 1 && !next);
    this.before = frame;
  }

  async wish(wish) {
    const answer = await fetch(`${this.at}/wish`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish),
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    return content;
  }
}

// A scene as it is sent -> shapes and the points of all outlines, -1 to 1. Scenes of one key differ in numbers alone.
export function unpacked({ steps, lengths, points, shapes }) {
  const bytes = Uint8Array.from(atob(points), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const numbers = new Float32Array(bytes.length / 2);
  for (let i = 0; i < numbers.length; i++) numbers[i] = view.getInt16(2 * i, true) / steps;
  const key = `${lengths}|${shapes.map(({ fill, clip }) => `${fill.kind ?? ""}${clip ?? ""}`)}`;
  return { lengths, points: numbers, shapes, key };
}

function between(one, other, share) {
  const mixed = (a, b) => a + (b - a) * share;
  const points = one.points.map((value, i) => mixed(value, other.points[i]));
  const shapes = other.shapes.map((shape, i) => (shape.fill.kind
    ? { ...shape, fill: { ...shape.fill, place: shape.fill.place.map((x, j) => mixed(one.shapes[i].fill.place[j], x)) } }
    : shape));
  return { ...other, points, shapes };
}

export function drawScene(canvas, { lengths, points, shapes }) {
  const context = canvas.getContext("2d");
  const half = canvas.width / 2;
  const starts = [];
  lengths.reduce((first, length) => (starts.push(first), first + length), 0);
  // An outline in pixels, or as `to` moves it.
  const path = (outline, to = (x, y) => [x, y]) => {
    const drawn = new Path2D();
    for (let i = starts[outline]; i < starts[outline] + lengths[outline]; i++) {
      drawn.lineTo(...to((points[2 * i] + 1) * half, (points[2 * i + 1] + 1) * half));
    }
    drawn.closePath();
    return drawn;
  };
  let clipped;
  context.save();
  for (const { outline, fill, opacity = 1, clip } of shapes) {
    if (clip !== clipped) { // neighbours that stay inside of the same outline share its clip
      context.restore();
      context.save();
      if (clip !== undefined) context.clip(path(clip));
      clipped = clip;
    }
    context.globalAlpha = opacity;
    if (fill.kind === "radial") { // an ellipse is a circle, stretched and turned; the outline is moved the other way
      const [across, down] = [fill.place[2], fill.place[3]].map((radius) => Math.max(radius * half, 1e-3));
      const [x, y] = [fill.place[0], fill.place[1]].map((value) => (value + 1) * half);
      const [cos, sin] = [Math.cos(fill.place[4]), Math.sin(fill.place[4])];
      const inside = path(outline, (px, py) => [
        ((px - x) * cos + (py - y) * sin) / across, ((py - y) * cos - (px - x) * sin) / down,
      ]);
      context.setTransform(across * cos, across * sin, -down * sin, down * cos, x, y);
      context.fillStyle = coloured(context.createRadialGradient(0, 0, 0, 0, 0, 1), fill.stops);
      context.fill(inside);
      context.setTransform(1, 0, 0, 1, 0, 0);
    } else {
      context.fillStyle = fill.kind === "linear"
        ? coloured(context.createLinearGradient(...fill.place.map((value) => (value + 1) * half)), fill.stops)
        : `rgb(${fill})`;
      context.fill(path(outline));
    }
  }
  context.restore();
}

function coloured(gradient, stops) {
  for (const [at, red, green, blue, opacity] of stops) {
    gradient.addColorStop(at, `rgb(${red} ${green} ${blue} / ${opacity})`);
  }
  return gradient;
}
