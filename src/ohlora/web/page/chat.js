// The conversation's page: what is said comes as events, in order; the memory is asked for when it is opened.

import { LiveFace } from "/face.js";
import { drawLooks, tell, wireLooks } from "/looks.js";
import { Session } from "/session.js";
import { at, language, loadWords, make, moment, say, whyNot } from "/words.js";

const COMMANDS = {
  "/memory": () => openMemory(),
  "/forget": (key) => (key === "all" ? askWhetherAll() : key ? forget(key) : tellKeys()),
  "/face": () => notice(moodText()),
  "/battle": () => location.assign("/battle"),
  "/help": () => notice(Object.keys(COMMANDS).map((name) => `${name}: ${say(`command_${name.slice(1)}`)}`).join("\n")),
};
const NEAR = 80; // pixels from the end, within which a new line is scrolled to

const PATIENCE_MS = 300; // most replies are there sooner, and a button that comes and goes would flicker

let session;
let known = { turns: [], hello: "", longest: 2000, file: "" }; // as the conversation began
let mood = { mood: "neutral", intensity: 0 };
let last = null; // the turn that is on: {row, user, reply, whole}
let memory = null; // what the open panel shows

const notice = (text) => tell("notice", text);
const problem = (text) => tell("problem", text);
const waiting = () => last !== null && !last.whole; // for the rest of a reply: a line after the other

// ---- what happens -------------------------------------------------------------------------------------

const HEARD = {
  reconnected() { problem(""); },
  disconnected({ gone }) { problem(say(gone ? "page_gone" : "gone")); },
  begun(event) {
    known = event;
    last = null;
    drawTurns();
  },
  asked({ user }) {
    if (!waiting()) newTurn(user);
    last.user.textContent = user;
  },
  piece({ text }) {
    if (!waiting()) return;
    last.text += text;
    showReply();
  },
  said({ user, reply, remembered, topic, ...felt }) {
    if (!waiting()) newTurn(user);
    Object.assign(last, { text: reply, whole: true });
    showReply();
    if (remembered.length) last.row.append(note(remembered));
    at("heard").textContent = `${say("ohlora")}: ${reply}`;
    mood = felt;
    drawMood();
    if (topic === "crisis") tell("crisis", say("crisis"));
    scrollDown();
  },
  unsaid() { takeBack(); }, // stopped, or refused
  ended(event) {
    takeBack();
    problem(say("talk_ended", { why: whyNot(event) }));
  },
};

function hear({ event, ...content }) {
  HEARD[event]?.(content);
  drawSend();
}

// ---- what is shown ------------------------------------------------------------------------------------

function bubble(who, text) {
  return make("p", {
    className: `said-by ${who}`,
    children: [make("span", { className: "unseen", text: `${say(who === "yours" ? "you" : "ohlora")}: ` }), make("span", { text })],
  });
}

const note = (facts) => make("p", { className: "remembered", text: say("remembered", { facts: facts.join(" ") }) });

function drawTurns() {
  const earlier = known.turns.map(({ user, reply }) => make("li", { children: [bubble("yours", user), bubble("hers", reply)] }));
  if (earlier.length) {
    const when = moment(known.turns[0].at);
    earlier.unshift(make("li", { children: [make("p", { className: "date", text: say("since", { when }) })] }));
  }
  at("turns").replaceChildren(...earlier, make("li", { children: [bubble("hers", known.hello)] }));
  at("privacy").textContent = say("privacy", { file: known.file });
  scrollDown(true);
}

function newTurn(text) {
  const user = bubble("yours", text), reply = bubble("hers", say("thinking"));
  reply.classList.add("waits");
  const row = make("li", { children: [user, reply] });
  last = { row, user: user.lastChild, bubble: reply, reply: reply.lastChild, text: "", whole: false };
  at("turns").append(row);
  drawSend();
  scrollDown(true);
}

function showReply() {
  last.bubble.classList.remove("waits");
  last.reply.textContent = last.text;
  scrollDown();
}

let patience;

function drawSend() { // while she writes, a button to stop her stands where the one that sends was
  const on = waiting();
  at("send").ariaDisabled = String(on);
  clearTimeout(patience);
  if (on) patience = setTimeout(() => showStop(true), PATIENCE_MS);
  else showStop(false);
}

function showStop(on) {
  const focused = [at("send"), at("stop")].includes(document.activeElement);
  at("stop").hidden = !on;
  at("send").hidden = on;
  if (focused) at(on ? "stop" : "line").focus();
}

function takeBack() { // the turn came to nothing: what was typed is there again
  if (!waiting()) return;
  if (!at("line").value) at("line").value = last.user.textContent;
  last.row.remove();
  last = null;
  drawSend();
}

function scrollDown(always = false) {
  const place = at("scroll");
  if (always || place.scrollHeight - place.scrollTop - place.clientHeight < place.clientHeight / 2 + NEAR) place.scrollTop = place.scrollHeight;
}

function moodText() {
  const name = say(`mood_${mood.mood}`);
  if (mood.mood === "neutral") return say("mood_calm", { mood: name });
  return say("mood_now", { mood: name, intensity: Math.round(100 * mood.intensity) });
}

function drawMood() { at("mood").textContent = moodText(); }

// ---- her memory ---------------------------------------------------------------------------------------

async function openMemory() {
  drawMemory(await session.read(`memory?language=${language}`));
  at("memory-title").focus();
}

function closeMemory() {
  memory = null;
  at("memory").hidden = true;
  at("show-memory").ariaExpanded = "false";
}

function drawMemory(content) {
  memory = content;
  at("memory").hidden = false;
  at("show-memory").ariaExpanded = "true";
  at("sure").hidden = true;
  at("memory-buttons").hidden = false;
  at("export").href = `${session.at}/memory.json`;
  const { facts, turns, battles, file } = memory;
  at("facts").replaceChildren(...facts.map(factRow));
  at("kept").textContent = facts.length ? say("kept", { facts: facts.length, turns, battles, file }) : say("kept_none", { turns, battles, file });
}

function factRow({ key, value, told_at, expires_at }) {
  const button = make("button", { type: "button", text: say("forget"), "aria-label": say("forget_key", { key }) });
  button.addEventListener("click", () => tried(() => forget(key)));
  return make("li", {
    children: [
      make("span", { children: [make("strong", { text: key.replaceAll("_", " ") }), `: ${value}`] }),
      make("small", { text: expires_at ? say("told_until", { when: moment(told_at), until: moment(expires_at) }) : moment(told_at) }),
      button,
    ],
  });
}

async function forget(key) {
  const left = await session.ask("forget", { language, key });
  if (memory) drawMemory(left);
  notice(say("forgot", { key }));
  (memory ? at("memory-title") : at("line")).focus();
}

async function tellKeys() {
  const { facts } = await session.read(`memory?language=${language}`);
  throw new Error(facts.length ? say("forget_which", { keys: facts.map(({ key }) => key).join(", ") }) : say("forget_none"));
}

async function askWhetherAll() {
  if (!memory) await openMemory();
  at("sure").hidden = false;
  at("memory-buttons").hidden = true;
  at("forget-no").focus();
}

async function forgetAll() {
  drawMemory(await session.ask("forget", { language }));
  notice(say("erased"));
  tell("crisis", "");
  at("memory-title").focus();
}

// ---- what the user does -------------------------------------------------------------------------------

async function tried(act) {
  try {
    problem("");
    return await act();
  } catch (error) {
    problem(error.message);
    return undefined;
  }
}

async function submit() {
  const line = at("line").value.trim(), length = [...line].length;
  if (!line || waiting()) return;
  notice("");
  if (length > known.longest) {
    problem(say("line_too_long", { n: length.toLocaleString(language), most: known.longest.toLocaleString(language) }));
    return;
  }
  at("line").value = "";
  if (line.startsWith("/")) {
    if (await tried(() => command(line).then(() => true)) === undefined) at("line").value ||= line;
    return;
  }
  newTurn(line);
  if (await tried(() => session.ask("say", { language, line }).then(() => true)) === undefined) takeBack();
}

const hush = () => waiting() && tried(() => session.ask("hush"));

async function command(line) {
  const [name] = line.split(/\s/, 1), rest = line.slice(name.length).trim();
  if (!Object.hasOwn(COMMANDS, name)) throw new Error(say("command_unknown", { name, known: Object.keys(COMMANDS).join(" ") }));
  await COMMANDS[name](rest);
}

function wire() {
  at("say").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  at("stop").addEventListener("click", hush);
  at("say").addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.isComposing) hush(); });
  at("line").addEventListener("keydown", (event) => {
    // While a Korean syllable is being composed, Enter only ends it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  at("show-memory").addEventListener("click", () => (memory ? closeMemory() : tried(openMemory)));
  at("forget-all").addEventListener("click", () => tried(askWhetherAll));
  at("forget-yes").addEventListener("click", () => tried(forgetAll));
  at("forget-no").addEventListener("click", () => {
    drawMemory(memory);
    at("forget-all").focus();
  });
}

function redraw() {
  drawLooks();
  at("line").placeholder = say("line_hint");
  drawMood();
  at("privacy").textContent = say("privacy", { file: known.file });
  if (memory) drawMemory(memory);
  if (!at("crisis").hidden) tell("crisis", say("crisis"));
}

async function start() {
  await loadWords((await (await fetch("/spoken")).json()).language);
  redraw();
  wire();
  wireLooks(redraw);
  session = new Session(hear, `talk?language=${language}`);
  if (!(await tried(() => session.opened.then(() => true)))) return;
  new LiveFace(at("face"), { at: session.at }).run();
  at("line").focus();
}

start();
