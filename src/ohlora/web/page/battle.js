// The battle's page: what happens in the session comes as events, in order; what is shown follows from them.

import { TAB, keep, kept } from "/browser.js";
import { Curves } from "/curves.js";
import { LiveFace } from "/face.js";
import { Form } from "/form.js";
import { drawLooks, tell, wireLooks } from "/looks.js";
import { drawRecord, drawResult } from "/result.js";
import { Session } from "/session.js";
import { at, language, loadWords, make, say, titleOf, whyNot } from "/words.js";
import { dropped, zipped } from "/zip.js";

const STEPS = ["data", "choose", "training", "result"];
const BUSY = ["waiting", "training", "scoring"]; // stages that a page which is closed would end
const FRESH = { stage: "idle", match: null, asked: null, subset: null, sealed: null, attempts: 0, first: null, place: null, result: null, bars: [] };
const DATASET = "ohlora-dataset", PROBLEM = "ohlora-seed"; // as the tab keeps them
const WHOLE = "none"; // the family that draws nothing: all images of the dataset
const IMAGES = /\.(a?png|jpe?g|jpe|jfif|webp|gif|bmp|tiff?|avif|jp2|ppm|pgm|qoi|tga|ico)$/i;

let state = structuredClone(FRESH);
let game, form, session, record = null, focusNext = false;
const curves = { val_f1: null, val_loss: null };

// ---- what happens -------------------------------------------------------------------------------------

const HEARD = {
  reconnected() { problem(""); },
  disconnected({ gone }) { problem(say(gone ? "page_gone" : "gone")); },
  looking({ match, asked }) {
    state = { ...structuredClone(FRESH), stage: "looking", match, asked };
    for (const plot of Object.values(curves)) plot.clear();
    record = null;
  },
  subset(event) { state.subset = event; },
  sealed(event) { Object.assign(state, { sealed: event, stage: "choosing" }); },
  attempt({ number }) { Object.assign(state, { attempts: number, stage: "waiting", place: null }); },
  waiting({ place }) { state.place = place; },
  turn() { Object.assign(state, { stage: "training", place: null }); },
  training({ who, number, steps }) { state.bars.push({ who, number, steps, step: 0 }); },
  progress({ who, number, step, points, early, diverged }) {
    const bar = state.bars.find((one) => one.who === who && one.number === number);
    Object.assign(bar, { step, early, diverged });
    for (const point of points) {
      for (const [key, plot] of Object.entries(curves)) plot.add(who, number, (100 * point.step) / bar.steps, point[key]);
    }
  },
  trained({ number, val_f1 }) {
    if (number === 1) Object.assign(state, { stage: "choosing", first: val_f1 });
    else state.stage = "scoring";
  },
  scoring() { state.stage = "scoring"; },
  result(event) { Object.assign(state, { stage: "result", result: event }); },
  left() { over(""); },
  stopped() { over(say("stopped")); },
  failed(event) { over("", whyNot(event)); },
  ended(event) { over("", whyNot(event)); },
};

function hear({ event, ...content }) {
  const before = state.stage;
  HEARD[event]?.(content);
  if (state.stage !== before) {
    focusNext = true;
    rememberMatch();
  }
  if (event === "progress") drawBars();
  else draw();
}

function over(told, why = "") {
  state = { ...structuredClone(FRESH), asked: state.asked };
  notice(told);
  problem(why);
}

const MATCH = "ohlora-match"; // the session whose match is on, as the tab keeps it

const rememberMatch = () => keep(MATCH, ["idle", "result"].includes(state.stage) ? "" : session.name, TAB);

function tellLostMatch() { // its session ended with the process that played it
  const had = kept(MATCH, TAB);
  if (!had || had === session.name) return;
  notice(say("match_lost"));
  rememberMatch();
}

// ---- what is shown ------------------------------------------------------------------------------------

let waiting = false;

function draw() { // once for all events that come together
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawNow();
  });
}

function drawNow() {
  const { stage } = state;
  const choosing = stage === "choosing", busy = BUSY.includes(stage);
  show("data", !record && ["idle", "looking"].includes(stage));
  show("subset", !record && state.subset && !["idle", "result"].includes(stage));
  show("training", !record && (busy || stage === "result" || (choosing && state.attempts > 0)));
  show("choose", !record && choosing);
  at("subset").classList.toggle("later", state.attempts > 0); // below what is going on
  show("result", !record && stage === "result");
  show("record", record);
  document.body.classList.toggle("still", stage !== "idle"); // what moves costs a machine without a GPU time to train
  at("stage").setAttribute("aria-busy", String(stage === "looking" || stage === "scoring"));
  drawSteps({ idle: 0, looking: 0, choosing: 1, waiting: 2, training: 2, scoring: 2, result: 3 }[stage]);
  if (stage !== "result") bubble();
  for (const field of at("data-form").elements) field.disabled = stage === "looking";
  if (state.subset) drawSubset();
  drawBars();
  show("stop", ["waiting", "training"].includes(stage));
  at("place").textContent =
    stage === "waiting" && state.place ? say("place", { place: state.place }) : stage === "scoring" ? say("scoring") : "";
  at("first-score").textContent = state.first === null ? "" : say("first_score", { f1: state.first.toFixed(3) });
  if (choosing) drawChoose();
  if (stage === "result") {
    bubble(state.result.line);
    const again = () => look({ ...state.asked, seed: state.result.seed });
    drawResult(at("result"), state.result, { sealed: state.sealed?.sha256, card: file("card.png"), again, other: leave });
  }
  if (record) drawRecord(at("record"), record, closeRecord);
  if (focusNext && document.visibilityState === "visible") {
    focusNext = false;
    const place = { idle: "data", choosing: state.attempts ? "training" : "subset", waiting: "training", training: "training", result: "result" }[stage];
    if (place) {
      at(`${place}-title`)?.focus({ preventScroll: true });
      at("stage").scrollIntoView({ block: "start", behavior: "auto" });
    }
  }
}

// A document decodes what lies at an address once, so each match has addresses of its own.
const file = (name) => `${session.at}/files/${name}?${state.match}`;
const show = (id, visible) => { at(id).hidden = !visible; };

function drawSteps(now) {
  at("steps").replaceChildren(...STEPS.map((word, index) => {
    const step = make("li", { text: say(`step_${word}`), className: index < now ? "done" : "" });
    if (index === now) step.ariaCurrent = "step";
    return step;
  }));
}

function bubble(line) {
  const { stage, attempts } = state;
  const key = stage === "choosing" && attempts ? "her_second" : `her_${stage}`;
  const text = line ?? say(key);
  if (at("bubble").textContent !== text) at("bubble").textContent = text;
}

function drawSubset() {
  const { subset, sealed } = state;
  const images = subset.counts.reduce((sum, one) => sum + one, 0);
  at("subset-title").textContent = say("subset_title", { title: titleOf(subset.dataset, subset.title) });
  at("subset-text").textContent = say("subset_text", {
    images, classes: subset.classes.length, val: subset.val, seed: subset.seed,
    family: subset.family === WHOLE ? "" : ` (${subset.family})`,
  });
  const rows = subset.classes.map((name, label) => make("figure", {
    children: [
      make("figcaption", { children: [make("strong", { text: name }), make("span", { text: say("images", { n: subset.counts[label] }) })] }),
      make("div", {
        className: "strip",
        children: [make("img", {
          src: file(`class_${label}.png`), alt: say("strip_alt", { name }), loading: "lazy",
          className: subset.side < 48 ? "pixels" : "",
        })],
      }),
    ],
  }));
  const shown = `${language} ${state.match}`;
  if (at("grid").dataset.of !== shown) {
    at("grid").replaceChildren(...rows);
    at("grid").dataset.of = shown;
  }
  const notes = subset.notes.map(([key, values]) => say(key, values));
  if (subset.unavailable) notes.push(say("unavailable", { reason: whyNot(subset.unavailable), title: titleOf(subset.dataset, subset.title) }));
  if (sealed && !sealed.expects) notes.push(say("other_protocol"));
  if (notes.length) notice(notes.join("\n"));
  show("seal", sealed);
  if (sealed) at("seal").textContent = say("sealed", { ms: Math.round(sealed.ms), seal: sealed.sha256.slice(0, 12) });
}

function drawBars() {
  const { bars, stage } = state;
  at("bars").replaceChildren(...bars.map(({ who, number, step, steps, early, diverged }) => {
    const name = who === "ohlora" ? say("ohlora") : say("your_attempt", { number });
    return make("div", {
      className: `bar ${who}${number === 2 ? " second" : ""}`,
      children: [
        make("span", { text: name }),
        make("progress", { max: steps, value: step, ariaLabel: say("progress_of", { name }) }),
        make("span", { className: "count", text: say(diverged ? "steps_diverged" : early ? "steps_early" : "steps", { step, steps }) }),
      ],
    });
  }));
  if (!bars.length && stage === "training") at("bars").replaceChildren(make("p", { text: say("starting") }));
}

function drawChoose() {
  const second = state.attempts > 0;
  at("choose-title").textContent = say(second ? "second_title" : "choose_title");
  const drawn = `${language} ${second}`;
  if (at("params").dataset.drawn === drawn && at("params").childElementCount) return;
  at("params").dataset.drawn = drawn;
  form.draw([
    { word: second ? "fight_again" : "fight", main: true, act: () => ask("fight", { params: form.values }) },
    second ? { word: "enough", act: () => ask("enough") } : { word: "other_data", act: leave },
  ]);
}

const notice = (text) => tell("notice", text);
const problem = (text) => tell("problem", text);

// ---- what the player does -----------------------------------------------------------------------------

async function tried(act) {
  try {
    problem("");
    return await act();
  } catch (error) {
    problem(error.message);
    at("problem").scrollIntoView({ block: "nearest" });
    return undefined;
  }
}

const ask = (what, content) => tried(() => session.ask(what, content));

async function look(wanted) {
  notice("");
  await ask("look", { ...wanted, language, name: at("name").value });
}

function chosenSeed() {
  const text = at("seed").value.trim();
  if (text === "") return null;
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed >= 2 ** 32) throw new Error(say("problem_wrong"));
  return seed;
}

const leave = () => ask("leave"); // another match: back to the datasets

async function send(blob, name) {
  const bar = at("uploading");
  await tried(async () => {
    const seed = chosenSeed(); // of the images to validate on, told before anything is sent
    if (blob.size > game.upload_mb * 1e6) throw new Error(say("too_large", { mb: game.upload_mb }));
    show("uploading", true);
    bar.value = 0;
    bar.ariaLabel = say("uploading");
    await session.upload(blob, name, (share) => { bar.value = share; });
    await look({ upload: true, seed });
  });
  show("uploading", false);
}

// Files of a folder: images only, and nothing hidden.
async function sendFolder(files) {
  const images = files.filter(({ path }) => IMAGES.test(path) && !path.split("/").some((part) => part.startsWith(".")));
  await tried(async () => {
    if (!images.length) throw new Error(say("no_images"));
    if (images.length > game.images) throw new Error(say("too_many", { images: game.images }));
    if (images.reduce((sum, { file }) => sum + file.size, 0) > game.upload_mb * 1e6) throw new Error(say("too_large", { mb: game.upload_mb }));
    await send(await zipped(images), `${images[0].path.split("/")[0]}.zip`);
  });
}

function wireUpload() {
  const drop = at("drop");
  at("zip").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) send(file, file.name);
    target.value = "";
  });
  at("folder").addEventListener("change", async ({ target }) => {
    const files = [...target.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
    if (files.length) await sendFolder(files);
    target.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = await dropped(event.dataTransfer);
    if (files.length === 1 && /\.zip$/i.test(files[0].path)) send(files[0].file, files[0].path);
    else if (files.length) sendFolder(files);
  });
}

function wireLeaving() { // a match that is on goes on meanwhile in her chat, and nowhere else
  let toChat = false;
  document.querySelector("nav a[href='/chat']").addEventListener("click", (event) => {
    toChat = !(event.ctrlKey || event.metaKey || event.shiftKey); // else it opens a tab of its own
  });
  addEventListener("beforeunload", (event) => { if (BUSY.includes(state.stage) && !toChat) event.preventDefault(); });
}

async function openRecord() {
  record = await tried(async () => {
    const answer = await fetch("/history");
    const content = await answer.json();
    if (!answer.ok) throw new Error(whyNot(content));
    return content;
  });
  if (!record) return;
  drawNow();
  at("record-title").focus();
}

function closeRecord() {
  record = null;
  drawNow();
  at("show-record").focus();
}

// ---- words and looks ----------------------------------------------------------------------------------

function drawWords() {
  drawLooks();
  at("name").placeholder = say("you");
  at("seed").placeholder = say("any");
  const names = game.datasets.map(({ name }) => name);
  const chosen = [document.querySelector("[name=dataset]:checked")?.value, kept(DATASET, TAB)].find((name) => names.includes(name)) ?? names[0];
  at("datasets").replaceChildren(...game.datasets.map(({ name, title }) => make("label", {
    className: "tile",
    children: [
      make("input", { type: "radio", name: "dataset", value: name, checked: name === chosen }),
      make("span", { children: [make("strong", { text: titleOf(name, title) }), make("small", { text: about(name) })] }),
    ],
  })));
}

function about(name) {
  try { return say(`about_${name}`); } catch { return ""; }
}

function redraw() {
  drawWords();
  drawNow();
  for (const plot of Object.values(curves)) plot.draw();
}

async function start() {
  game = await (await fetch("/game")).json();
  await loadWords(game.language);
  if (game.wandb) document.querySelector("footer p").dataset.word = "footer_wandb";
  form = new Form(at("params"), game.axes);
  curves.val_f1 = new Curves(at("plot-f1"), "val_f1");
  curves.val_loss = new Curves(at("plot-loss"), "val_loss");
  at("name").maxLength = game.name_length;
  at("name").value = kept("ohlora-name") ?? (game.player === "you" ? "" : game.player); // the field says "you" itself
  at("name").addEventListener("change", () => keep("ohlora-name", at("name").value));
  at("seed").value = kept(PROBLEM, TAB) ?? game.seed ?? "";
  at("seed").addEventListener("input", () => keep(PROBLEM, at("seed").value, TAB));
  at("datasets").addEventListener("change", ({ target }) => keep(DATASET, target.value, TAB));
  drawWords();
  wireUpload();
  wireLeaving();
  at("data-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const dataset = document.querySelector("[name=dataset]:checked").value;
    tried(() => look({ dataset, seed: chosenSeed() }));
  });
  at("stop").addEventListener("click", () => ask("stop"));
  at("show-record").addEventListener("click", () => (record ? closeRecord() : openRecord()));
  wireLooks(redraw);
  session = new Session(hear);
  if (!(await tried(() => session.opened.then(() => true)))) return;
  tellLostMatch();
  new LiveFace(at("face"), { at: session.at }).run();
  draw();
}

start();
