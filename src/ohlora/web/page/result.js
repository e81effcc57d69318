// The end of a match, and the record of all matches.

import { nameOf, shown } from "/form.js";
import { lineName } from "/curves.js";
import { language, make, meter, moment, say, titleOf, whyNot } from "/words.js";

const score = (value) => value.toFixed(3);
// Three decimals; where a difference is smaller than these, two digits that count. Below nine there is none.
const signed = (value) => {
  const apart = Math.round(Math.abs(value) * 1e9) / 1e9;
  if (!apart) return "0.000";
  return `${value > 0 ? "+" : "−"}${apart.toFixed(apart < 1e-3 ? 1 - Math.floor(Math.log10(apart)) : 3)}`;
};
const called = (player) => (player === "you" ? say("you") : player);
const attemptName = (attempt, index) => lineName(attempt.kind, index || 1);

export function drawResult(section, result, { sealed, card, again, other }) {
  const { attempts, best, winner, verdicts, swaps } = result;
  const won = result.player === "you" && winner === "challenger" ? say("won_you") : say(`won_${winner}`, { name: result.player });
  const parts = [
    make("h2", { id: "result-title", tabIndex: -1, className: `won-${winner}`, text: won }),
    make("p", { className: "said", children: [make("strong", { text: `${say("ohlora")}: ` }), result.line] }),
    scores(result),
    make("ul", {
      className: "verdicts",
      children: verdicts.map((verdict, index) => make("li", {
        text: `${say("your_attempt", { number: index + 1 })}: ${say(verdict)} (${signed(attempts[index + 1].test_f1 - attempts[0].test_f1)})`,
      })),
    }),
  ];
  if (attempts[0].expected) parts.push(expectations(attempts));
  if (swaps.length) parts.push(difference(swaps, best));
  parts.push(chosen(attempts));
  parts.push(make("figure", {
    className: "share",
    children: [
      make("img", { src: card, alt: say("card_alt", { won }), width: 1200, height: 630 }),
      make("figcaption", { children: [make("a", { className: "button", href: card, download: "ohlora-battle.png", text: say("download_card") })] }),
    ],
  }));
  const check = make("p", { text: say("seal_checking") });
  checkSeal(result.seal, sealed).then((right) => { check.textContent = say(right ? "seal_right" : "seal_wrong"); });
  parts.push(make("details", {
    children: [
      make("summary", { text: say("seal_opened", { seal: result.seal.sha256.slice(0, 12) }) }), check,
      make("code", { text: `sha256(${result.seal.salt} + ${result.seal.text}) = ${result.seal.sha256}` }),
    ],
  }));
  if (result.not_kept) parts.push(make("p", { className: "problem", text: `${say("not_kept")} ${whyNot(result.not_kept)}` }));
  const buttons = [["same_again", again, "main"], ["another", other, ""]].map(([word, act, className]) => {
    const button = make("button", { type: "button", className, id: `do-${word}`, text: say(word) });
    button.addEventListener("click", act);
    return button;
  });
  parts.push(make("p", { className: "row", children: buttons }));
  section.replaceChildren(...parts);
}

function table(heads, rows, caption) {
  return make("div", {
    className: "scroll", tabIndex: 0, role: "region", ariaLabel: caption,
    children: [make("table", {
      children: [
        make("thead", { children: [make("tr", { children: heads.map((text) => make("th", { scope: "col", text })) })] }),
        make("tbody", {
          children: rows.map(([first, ...others]) => make("tr", {
            children: [make("th", { scope: "row", text: first, title: first }), ...others.map((text) => make("td", { text }))],
          })),
        }),
      ],
    })],
  });
}

function scores({ attempts, best }) {
  const most = Math.max(...attempts.map(({ test_f1 }) => test_f1));
  return make("div", {
    className: "scores",
    children: attempts.map((attempt, index) => make("div", {
      className: `score-row ${attempt.kind}${index === 2 ? " second" : ""}${attempt.test_f1 === most ? " most" : ""}`,
      children: [
        make("span", { className: "who", text: attemptName(attempt, index) }),
        meter(attempt.test_f1, { ariaLabel: say("test_f1_of", { name: attemptName(attempt, index) }) }),
        make("strong", { text: score(attempt.test_f1) }),
        make("small", { text: say("val_small", { f1: score(attempt.val_f1) }) }),
      ],
    })),
  });
}

function expectations(attempts) {
  return make("div", {
    children: [
      make("h3", { text: say("expected_title") }),
      table(
        ["", say("expected"), say("came")],
        attempts.map((attempt, index) => [
          attemptName(attempt, index), `${score(attempt.expected.f1)} ± ${score(attempt.expected.sd)}`, score(attempt.test_f1),
        ]),
        say("expected_title"),
      ),
    ],
  });
}

function difference(swaps, best) {
  const largest = Math.max(...swaps.map(({ change }) => Math.abs(change)), 1e-9);
  const first = swaps[0];
  const rows = swaps.filter(({ change }) => Math.abs(change) >= 0.0005).slice(0, 6).map((swap) => make("li", {
    children: [
      make("span", { text: nameOf(swap.name) }),
      make("span", { className: "from-to", text: `${shown(swap.yours)} → ${shown(swap.hers)}` }),
      meter(Math.abs(swap.change) / largest, { className: swap.change < 0 ? "loss" : "gain" }),
      make("strong", { text: signed(swap.change) }),
    ],
  }));
  return make("div", {
    children: [
      make("h3", { text: say("difference_title") }),
      make("p", {
        text: first.matters
          ? say(first.change > 0 ? "difference_gain" : "difference_loss", {
            name: nameOf(first.name), hers: shown(first.hers), yours: shown(first.yours), change: signed(first.change), number: best,
          })
          : say("difference_none"),
      }),
      make("ul", { className: "swaps", children: rows }),
      make("p", { className: "hint", text: say("difference_hint") }),
    ],
  });
}

function chosen(attempts) {
  const names = Object.keys(attempts[0].params);
  return make("details", {
    children: [
      make("summary", { text: say("chosen_title") }),
      table(
        [say("hyperparameter"), ...attempts.map(attemptName)],
        names.map((name) => [nameOf(name), ...attempts.map(({ params }) => shown(params[name]))]),
        say("chosen_title"),
      ),
    ],
  });
}

// Whether what is opened now is what was shown before the first attempt.
async function checkSeal({ salt, text, sha256 }, sealed) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(salt + text));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex === sha256 && sha256 === sealed;
}

export function drawRecord(section, { leaders, latest }, close) {
  const back = make("button", { type: "button", id: "close-record", text: say("back") });
  back.addEventListener("click", close);
  const parts = [make("h2", { id: "record-title", tabIndex: -1, text: say("record") })];
  if (!latest.length) parts.push(make("p", { text: say("record_empty") }));
  else {
    parts.push(
      make("h3", { text: say("leaders") }),
      table(
        [say("player"), say("won"), say("draws"), say("matches"), say("mean_lead"), say("best_lead")],
        leaders.map((row, place) => [`${place + 1}. ${called(row.player)}`, row.won, row.draws, row.matches, signed(row.lead), signed(row.best_lead)]),
        say("leaders"),
      ),
      make("h3", { text: say("latest") }),
      table(
        [say("player"), say("outcome"), say("your_score"), say("her_score"), say("dataset"), say("problem_number"), say("when")],
        latest.map((row) => [
          called(row.player), say(`outcome_${row.winner}`), score(row.player_f1), score(row.ohlora_f1),
          titleOf(row.dataset, row.title), row.seed, moment(row.played_at),
        ]),
        say("latest"),
      ),
    );
  }
  parts.push(make("p", { className: "row", children: [back] }));
  section.replaceChildren(...parts);
}
