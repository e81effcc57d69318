// This page's session: requests to it, and the one stream of what happens in it.

import { say, whyNot } from "/words.js";

export class Session {
  constructor(hear, stream = "events") {
    Object.assign(this, { hear, stream, name: null });
    this.opened = this.open(); // what is asked before waits for it
  }

  get at() { return `/sessions/${this.name}`; }

  // The session that this page had before it was loaded again, where it is still there; else a new one.
  async open() {
    this.name = remembered();
    if (!this.name || !(await fetch(`${this.at}/alive`)).ok) this.name = (await send("/sessions", {})).session;
    remember(this.name);
    const stream = new EventSource(`${this.at}/${this.stream}`);
    stream.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.event !== "taken") return this.hear(event);
      stream.close(); // another tab has the session now, and would lose it to a stream that comes back
      return this.hear({ event: "disconnected", gone: true });
    };
    let lost = false;
    stream.onopen = () => {
      if (lost) this.hear({ event: "reconnected" });
      lost = false;
    };
    stream.onerror = () => {
      lost = true;
      this.hear({ event: "disconnected", gone: stream.readyState === EventSource.CLOSED });
    };
  }

  async ask(what, content = {}) {
    await this.opened;
    return send(`${this.at}/${what}`, content);
  }

  async read(what) {
    await this.opened;
    const answer = await fetch(`${this.at}/${what}`), content = parsed(await answer.text());
    if (!answer.ok) throw new Error(whyNot(content) ?? answer.statusText);
    return content;
  }

  // A zip, with its progress from 0 to 1: fetch tells none of what it sends.
  async upload(blob, name, progress) {
    await this.opened;
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `${this.at}/upload?name=${encodeURIComponent(name)}`);
      request.setRequestHeader("Content-Type", "application/zip");
      request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
      request.onload = () => {
        const content = parsed(request.responseText);
        if (request.status === 200) resolve(content);
        else reject(new Error(whyNot(content) ?? request.statusText));
      };
      request.onerror = () => reject(new Error(say("upload_broke")));
      request.send(blob);
    });
  }
}

async function send(place, content) {
  let answer;
  try {
    answer = await fetch(place, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
    });
  } catch {
    throw new Error(say("gone"));
  }
  const told = parsed(await answer.text());
  if (!answer.ok) throw new Error(whyNot(told) ?? answer.statusText);
  return told;
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return {}; }
}

function remembered() {
  try { return sessionStorage.getItem("ohlora-session"); } catch { return null; }
}

function remember(name) {
  try { sessionStorage.setItem("ohlora-session", name); } catch { /* a browser that keeps nothing */ }
}
