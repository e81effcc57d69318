// This page's session: requests to it, and the one stream of what happens in it.

import { TAB, keep, kept } from "/browser.js";
import { say, whyNot } from "/words.js";

const NAME = "ohlora-session"; // as the tab keeps it

export class Session {
  constructor(hear, stream = "events") {
    Object.assign(this, { hear, stream, name: null, gone: false });
    this.opened = this.open(); // what is asked before waits for it
  }

  get at() { return `/sessions/${this.name}`; }

  // The session that this page had before it was loaded again, where it is still there; else a new one.
  async open() {
    this.name = kept(NAME, TAB);
    if (!this.name || !(await fetch(`${this.at}/alive`)).ok) this.name = (await send("/sessions", {})).session;
    keep(NAME, this.name, TAB);
    const stream = new EventSource(`${this.at}/${this.stream}`);
    stream.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.event !== "taken") return this.hear(event);
      stream.close(); // another tab has the session now, and would lose it to a stream that comes back
      return this.lose(true);
    };
    let lost = false;
    stream.onopen = () => {
      if (lost) this.hear({ event: "reconnected" });
      lost = false;
    };
    stream.onerror = () => {
      lost = true;
      this.lose(stream.readyState === EventSource.CLOSED);
    };
  }

  lose(gone) {
    this.gone = gone;
    this.hear({ event: "disconnected", gone });
  }

  // What is asked once the session is gone would happen in the tab that has it now, or nowhere.
  async ready() {
    await this.opened;
    if (this.gone) throw new Error(say("page_gone"));
  }

  async ask(what, content = {}) {
    await this.ready();
    return send(`${this.at}/${what}`, content);
  }

  async read(what) {
    await this.ready();
    const answer = await fetch(`${this.at}/${what}`), content = parsed(await answer.text());
    if (!answer.ok) throw new Error(whyNot(content) ?? answer.statusText);
    return content;
  }

  // A zip, with its progress from 0 to 1: fetch tells none of what it sends.
  async upload(blob, name, progress) {
    await this.ready();
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
