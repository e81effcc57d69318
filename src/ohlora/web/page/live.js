// Her face's own page: sliders, moods, a line to say. Text is only ever set as text.

import { languageOf } from "/browser.js";
import { LiveFace } from "/face.js";

const WORDS = {
  en: {
    moods: "MOODS", looks: "LOOKS", ombre: "ombre hair ends", say: "Say", type: "Type a line for her to say",
    gone: "She cannot be reached.",
  },
  ko: {
    moods: "기분", looks: "모습", ombre: "옴브레 머리끝", say: "말하기", type: "오로라가 할 말을 적어 봐",
    gone: "오로라와 연결이 끊겼어.",
    neutral: "평소", happy: "기쁨", laughing: "웃음", surprised: "놀람", proud: "으쓱", thinking: "생각", shy: "수줍음",
    sad: "슬픔", sulky: "삐침",
    eyes: "눈", hair_colour: "머리 밝기", hair_length: "머리 길이", mouth: "입", roll: "갸웃", yaw: "고개 돌림",
    background_mean: "배경 밝기", background_std: "배경 무늬",
  },
};

const at = (id) => document.getElementById(id);

async function start() {
  const about = await (await fetch("/about")).json();
  const language = languageOf(about.language), words = WORDS[language];
  const name = (word) => words[word] ?? word.replaceAll("_", " ");
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-label]")) place.textContent = words[place.dataset.label];
  at("text").placeholder = words.type;
  at("text").maxLength = about.longest;
  at("line").querySelector("button").textContent = words.say;
  at("notice").textContent = about.notice[language] ?? "";
  at("notice").hidden = !at("notice").textContent;

  const times = [];
  const face = new LiveFace(at("face"), {
    ondrawn() { // those between two frames too: the rate that is seen
      const now = performance.now();
      times.push(now);
      while (times[0] < now - 2000) times.shift();
      const rate = times.length > 1 ? (1000 * (times.length - 1)) / (now - times[0]) : 0;
      at("rate").textContent = `${at("face").width} px, ${rate.toFixed(0)} fps`;
    },
    ongone() { at("problem").textContent = words.gone; },
    onback() { at("problem").textContent = ""; },
  });
  let moodEnds;
  const showMood = ({ mood, mood_s }) => { // marked for as long as she is in it
    for (const button of at("moods").children) button.ariaPressed = String(button.dataset.mood === mood);
    clearTimeout(moodEnds);
    if (mood_s > 0) moodEnds = setTimeout(() => showMood({ mood: about.neutral, mood_s: 0 }), mood_s * 1000);
  };
  const wish = async (wanted) => {
    try {
      const done = await face.wish(wanted);
      at("problem").textContent = "";
      showMood(done);
      if (done.line) {
        at("bubble").textContent = done.line;
        at("bubble").hidden = false;
      }
      return true;
    } catch (error) {
      at("problem").textContent = error.message;
      return false;
    }
  };

  for (const mood of about.moods) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name(mood) });
    button.dataset.mood = mood;
    button.addEventListener("click", () => wish({ mood }));
    at("moods").append(button);
  }
  showMood(about);
  for (const [property, { low, high, value }] of Object.entries(about.properties)) {
    const slider = Object.assign(document.createElement("input"), {
      type: "range", id: `slider-${property}`, min: low, max: high, step: (high - low) / 200, value,
    });
    const label = Object.assign(document.createElement("label"), {
      htmlFor: slider.id, textContent: name(property),
    });
    const shown = Object.assign(document.createElement("output"), { textContent: value.toFixed(2) });
    let waiting = false;
    slider.addEventListener("input", () => {
      shown.textContent = slider.valueAsNumber.toFixed(2);
      if (waiting) return; // a wish every 50 ms follows a hand well enough
      waiting = true;
      setTimeout(() => {
        waiting = false;
        wish({ rest: { [property]: Math.min(Math.max(slider.valueAsNumber, low), high) } });
      }, 50);
    });
    at("sliders").append(label, slider, shown);
  }
  at("ombre").checked = about.ombre;
  at("ombre").addEventListener("change", () => wish({ ombre: at("ombre").checked }));
  at("line").addEventListener("submit", async (event) => {
    event.preventDefault();
    const say = at("text").value;
    if (!say.trim() || (await wish({ say }) && at("text").value === say)) at("text").value = "";
  });
  face.run();
}

start();
