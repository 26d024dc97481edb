// Plays the recordings of consoles over screens that were drawn when the report
// was made: a film is rows, numbered, and for each time the rows that changed.
// The text of a row is a guest's. It becomes a text node, and never markup.
"use strict";

const step = 50; // ms between two looks at the clock
const pause = 2000; // ms after which a pause counts as long
const speeds = [0.5, 1, 2, 4, 8, 16, 32];

// unpack is the film that an attribute holds: JSON, deflated, in base64.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

// make is a new element.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// clock is a time as the report writes it.
function clock(ms) {
  const s = Math.round(ms / 100) / 10;
  if (s < 10) return s.toFixed(1) + "s";
  return s < 60 ? Math.round(s) + "s" : Math.floor(s / 60) + "m" + String(Math.floor(s % 60)).padStart(2, "0") + "s";
}

// Projector shows a film at any of its times.
class Projector {
  constructor(film, screen) {
    Object.assign(this, { film, screen, marked: -1 });
    let at = 0;
    this.times = film.frames.map((frame) => (at += frame[0]));
    this.rows = Array.from({ length: film.rows }, () => make("div"));
    this.shown = this.rows.map(() => 0);
    screen.append(...this.rows);
    this.rewind();
  }

  rewind() {
    this.next = 0; // the number of the next frame
    this.lines = this.rows.map(() => 0);
  }

  // show draws the screen as it was at a time.
  show(at) {
    if (this.next > 0 && at < this.times[this.next - 1]) this.rewind();
    for (; this.next < this.times.length && this.times[this.next] <= at; this.next++) {
      const [, scroll, ...changes] = this.film.frames[this.next];
      for (let i = 0; i < scroll; i++) {
        this.lines.shift();
        this.lines.push(0);
      }
      for (let i = 0; i < changes.length; i += 2) this.lines[changes[i]] = changes[i + 1];
    }
    this.lines.forEach((line, y) => {
      if (this.shown[y] !== line) this.rows[y].replaceChildren(...this.runs(this.film.lines[line]));
      this.shown[y] = line;
    });
  }

  // runs are the text of a row, in its styles.
  runs(line) {
    if (typeof line === "string") return [line];
    const runs = [];
    for (let i = 0; i < line.length; i += 2) {
      const style = this.film.styles[line[i]];
      const run = make("span", { className: style.c || "" }, line[i + 1]);
      if (style.f) run.style.color = style.f;
      if (style.b) run.style.backgroundColor = style.b;
      runs.push(run);
    }
    return runs;
  }

  // mark points at the row of evidence, or at none.
  mark(row) {
    this.rows.forEach((element, y) => element.classList.toggle("seen", y === row));
  }
}

// play gives a box its player. One that is seen at once shows what matters: the
// evidence, or else the last screen that is the guest's own.
async function play(box, atOnce) {
  const film = await unpack(box.dataset.film);
  const screen = make("div", { className: "screen", tabIndex: 0 });
  screen.setAttribute("role", "group");
  screen.setAttribute("aria-label", "The console's screen");
  const projector = new Projector(film, screen);
  let now = 0, timer = 0, speed = 4, looked = 0;

  const toggle = make("button", { type: "button", className: "toggle", textContent: "Play" });
  const slider = make("input", { type: "range", min: 0, max: film.length, step: 1, value: 0 });
  slider.setAttribute("aria-label", "Time");
  const time = make("output", { className: "time" });
  const rate = make("select", {}, ...speeds.map((s) => make("option", { value: s, textContent: s + "×" })));
  rate.setAttribute("aria-label", "Speed");
  const skip = make("input", { type: "checkbox", checked: true });
  const marks = film.moments.map((moment) => {
    const name = moment.kind === "evidence" ? "evidence: " + moment.label : moment.label;
    const mark = make("button", { type: "button", className: "mark " + moment.kind }, name, " ", make("small", {}, clock(moment.at)));
    mark.addEventListener("click", () => { stop(); seek(moment.at, moment.row); });
    return mark;
  });
  rate.value = speed;

  function seek(at, row = -1) {
    now = Math.min(Math.max(at, 0), film.length);
    projector.show(now);
    projector.mark(row);
    slider.value = now;
    time.textContent = clock(now) + " of " + clock(film.length);
    slider.setAttribute("aria-valuetext", time.textContent);
    const last = film.moments.findLastIndex((moment) => moment.at <= now);
    marks.forEach((mark, i) => mark.classList.toggle("now", i === last));
  }
  function tick() {
    const real = performance.now();
    let at = now + (real - looked) * speed;
    looked = real;
    const next = projector.times[projector.next] ?? film.length;
    if (skip.checked && next - at > pause * Math.max(speed, 1)) at = next;
    seek(at);
    if (now >= film.length) stop();
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    toggle.textContent = "Play";
  }
  function start() {
    if (now >= film.length) seek(0);
    looked = performance.now();
    timer = setInterval(tick, step);
    toggle.textContent = "Pause";
  }
  const change = () => (timer ? stop() : start());
  const faster = (by) => {
    speed = speeds[Math.min(Math.max(speeds.indexOf(speed) + by, 0), speeds.length - 1)];
    rate.value = speed;
  };
  // jump goes to the next moment, or to the one before: by time, and past those
  // of the same time.
  const jump = (by) => {
    const moments = by > 0 ? film.moments : [...film.moments].reverse();
    const moment = moments.find((m) => (m.at - now) * by > 1);
    if (moment) seek(moment.at, moment.row);
  };
  const evidence = () => film.moments.find((moment) => moment.kind === "evidence");

  toggle.addEventListener("click", change);
  slider.addEventListener("input", () => seek(Number(slider.value)));
  rate.addEventListener("change", () => (speed = Number(rate.value)));
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, input")) return;
    const keys = {
      " ": () => event.target.matches("button") || change(), k: change,
      ArrowLeft: () => seek(now - 5000), ArrowRight: () => seek(now + 5000),
      Home: () => seek(0), End: () => seek(film.length),
      "[": () => jump(-1), "]": () => jump(1), "<": () => faster(-1), ">": () => faster(1),
      e: () => evidence() && seek(evidence().at, evidence().row),
    };
    // A button's own blank is left to it.
    if (!keys[event.key] || keys[event.key]() === true) return;
    event.preventDefault();
  });

  const help = "Keys: blank plays, ← → 5 s, [ ] stages, e evidence, < > speed, Home, End.";
  box.append(
    make("div", { className: "bar" }, toggle, slider, time, rate, make("label", {}, skip, " skip pauses")),
    make("div", { className: "marks" }, ...marks), screen, make("p", { className: "keys", textContent: help }));
  box.hidden = false;
  const own = film.moments.find((moment) => moment.kind === "typing") || film.moments.at(-1);
  const first = evidence() || (atOnce ? own : film.moments[0]);
  if (first) seek(first.at, first.row);
}

// A page may hold many recordings: each is unpacked when it is opened.
for (const details of document.querySelectorAll("details.recording")) {
  const box = details.querySelector(".player");
  const atOnce = details.open;
  let begun = false;
  const open = () => {
    if (!details.open || begun) return;
    begun = true;
    play(box, atOnce).catch((why) => {
      box.textContent = "This browser cannot play it (" + why.message + "). The screens below are of the same recording.";
      box.hidden = false;
    });
  };
  details.addEventListener("toggle", open);
  open();
}
