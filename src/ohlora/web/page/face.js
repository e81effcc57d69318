// Her face on a canvas: asks for one frame after the other.

export class LiveFace {
  constructor(canvas, { at = "", onframe = () => {}, ongone = () => {} } = {}) {
    Object.assign(this, { canvas, at, onframe, ongone, running: false });
  }

  async frame(after) {
    const answer = await fetch(`${this.at}/frame?after=${after}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return { number: Number(answer.headers.get("X-Frame")), picture: await createImageBitmap(await answer.blob()) };
  }

  // One frame is drawn over there while the one before it is shown here; a hidden page shows none and asks for none.
  async run() {
    this.running = true;
    const context = this.canvas.getContext("2d");
    let coming = this.frame(-1);
    while (this.running) {
      try {
        const { number, picture } = await coming;
        coming = this.frame(number);
        coming.catch(() => {}); // told where it is awaited
        await new Promise(requestAnimationFrame);
        if (this.canvas.width !== picture.width) this.canvas.width = this.canvas.height = picture.width;
        context.drawImage(picture, 0, 0);
        picture.close();
        this.onframe(number);
      } catch {
        this.ongone();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        coming = this.frame(-1);
        coming.catch(() => {});
      }
    }
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
