// Shows the steps that play.py has taken, one at a time: marks nodes and edges, writes numbers into boxes, and says
// what happens. A step only says what it changes, so the numbers at a step are those of all steps up to it.
"use strict";

// What boxes show at a step: {"3 data": [number, text], ...}.
function numbersAt(steps, at) {
  const numbers = {};
  for (const step of steps.slice(0, at + 1)) {
    for (const [item, what, number, text] of step.set) { numbers[item + " " + what] = [number, text]; }
  }
  return numbers;
}

// What has flowed into an item's grad up to a step: [[from, term, sum], ...].
function flowsInto(steps, at, item) {
  return steps.slice(0, at + 1).flatMap(step => step.adds.filter(add => add[0] === item).map(add => add.slice(1)));
}

function start(steps) {
  const find = id => document.getElementById(id);
  const svg = document.querySelector("main svg"), slider = find("slider"), play = find("play");
  const boxes = {};     // the group of each item
  for (const kind of ["leaf", "result", "cut"]) {
    for (const box of svg.querySelectorAll(`[data-${kind}]`)) { boxes[box.getAttribute("data-" + kind)] = box; }
  }
  const pill = document.createElementNS(svg.namespaceURI, "g");
  let at = 0, timer = null;

  function write(numbers) {
    for (const [item, box] of Object.entries(boxes)) {
      if (box.hasAttribute("data-cut")) { continue; }
      const texts = box.querySelectorAll("text");
      const [data, shown] = numbers[item + " data"] || ["", "..."];
      const [grad, grown] = numbers[item + " grad"] || ["0", "0.0000"];
      texts[texts.length - 2].textContent = "data " + shown;
      texts[texts.length - 1].textContent = "grad " + grown;
      box.setAttribute("data-has", data === "" ? "" : "data");
      box.setAttribute("data-data-is", data);
      box.setAttribute("data-grad-is", grad);
    }
  }

  function mark(step) {
    for (const element of svg.querySelectorAll("[data-mark]")) { element.removeAttribute("data-mark"); }
    pill.remove();
    for (const [item, what] of [[step.at, "at"], [step.to, "to"]]) {
      if (boxes[item]) { boxes[item].setAttribute("data-mark", what); }
    }
    for (const op of svg.querySelectorAll(`[data-op="${step.at}"], [data-run="${step.at}"]`)) {
      op.setAttribute("data-mark", "at");
    }
    step.edges.forEach(([name, copy], i) => {
      const same = svg.querySelectorAll(`[data-edge="${name}"]`), paths = [];
      for (const element of same) {
        if (element.tagName === "path") { paths.push(element); }
      }
      for (const element of same) {
        if (copy === -1 || element.tagName !== "path" || paths.indexOf(element) === copy) {
          element.setAttribute("data-mark", step.phase);
        }
      }
      if (i === 0 && step.adds.length === 1 && paths.length) { label(paths[Math.max(0, copy)], step.adds[0][2]); }
    });
    for (const item of [step.at, step.to]) {
      if (boxes[item]) { boxes[item].scrollIntoView({block: "nearest", inline: "nearest"}); }
    }
  }

  // A pill on an edge with what flows through it.
  function label(path, text) {
    const middle = path.getPointAtLength(path.getTotalLength() / 2), width = 7.9 * (text.length + 1) + 12;
    pill.setAttribute("class", "pill");
    pill.innerHTML = `<rect x="${middle.x - width / 2}" y="${middle.y - 11}" width="${width}" height="22" rx="11"/>` +
      `<text x="${middle.x}" y="${middle.y + 4.5}" text-anchor="middle"></text>`;
    pill.querySelector("text").textContent = (text.startsWith("-") ? "" : "+") + text;
    svg.append(pill);
  }

  function say(step) {
    const [head, ...lines] = step.lines;
    find("phase").textContent = step.phase;
    document.body.setAttribute("data-phase", step.phase);
    find("head").textContent = head;
    find("lines").textContent = lines.join("\n");
    const flows = step.to === -1 ? [] : flowsInto(steps, at, step.to), list = find("flows");
    find("ledger").hidden = !flows.length;
    if (flows.length) {
      const texts = boxes[step.to].querySelectorAll("text");
      find("whose").textContent = "What has flowed into " + texts[0].textContent + ".grad";
      list.replaceChildren(...flows.slice(-12).map(([from, term, sum]) => {
        const row = document.createElement("tr");
        for (const text of ["+= " + term, "from " + from, "= " + sum]) {
          row.append(Object.assign(document.createElement("td"), {textContent: text}));
        }
        return row;
      }));
    }
    find("count").textContent = `step ${at + 1} of ${steps.length}`;
  }

  function go(to) {
    at = Math.max(0, Math.min(to, steps.length - 1));
    slider.value = at;
    document.body.setAttribute("data-step", at);
    write(numbersAt(steps, at));
    mark(steps[at]);
    say(steps[at]);
    find("first").disabled = find("back").disabled = at === 0;
    find("next").disabled = find("last").disabled = at === steps.length - 1;
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function toggle() {
    if (timer) { return stop(); }
    if (at === steps.length - 1) { go(0); }
    play.textContent = "Pause";
    timer = setInterval(() => {
      go(at + 1);
      if (at === steps.length - 1) { stop(); }
    }, 1200);
  }
  function by(to) {
    return () => { stop(); go(to()); };
  }

  const moves = {first: by(() => 0), back: by(() => at - 1), next: by(() => at + 1), last: by(() => steps.length - 1)};
  const keys = {Home: moves.first, ArrowLeft: moves.back, ArrowRight: moves.next, End: moves.last};
  for (const [name, move] of Object.entries(moves)) { find(name).addEventListener("click", move); }
  play.addEventListener("click", toggle);
  slider.max = steps.length - 1;
  slider.addEventListener("input", by(() => Number(slider.value)));
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    const move = event.key === " " && event.target.tagName !== "BUTTON" ? toggle : keys[event.key];
    if (move) {
      event.preventDefault();
      move();
    }
  });
  go(0);
}

if (typeof document === "undefined") {
  module.exports = {numbersAt, flowsInto};      // for tests without a browser
} else {
  start(JSON.parse(document.getElementById("steps").textContent));
}
