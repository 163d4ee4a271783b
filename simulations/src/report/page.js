"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const start = data.start_s;
  const end = start + data.columns * data.column_s;
  const PLOT = { left: 46, right: 12, top: 22, bottom: 26 };

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const seconds = (s) => (s >= 100 ? s.toFixed(0) : s.toFixed(1)) + " s";
  const short = (n) => n >= 1e6 ? (n / 1e6).toFixed(1) + " M" : n >= 1e4 ? (n / 1e3).toFixed(0) + " k" : n >= 10 ? n.toFixed(0) : String(+n.toPrecision(2));
  const span = (ms) => ms >= 1000 ? +(ms / 1000).toPrecision(3) + " s" : +ms.toPrecision(3) + " ms";

  // Blue for alive, vermilion for dead, a light yellow between: told apart by the colour-blind as well.
  const ALIVE = [[0, [213, 94, 0]], [0.5, [240, 214, 120]], [1, [33, 113, 161]]];
  const LOAD = [[0, [236, 240, 240]], [0.35, [124, 184, 190]], [0.7, [38, 108, 150]], [1, [46, 26, 94]]];
  const LOAD_DARK = [[0, [32, 40, 52]], [0.35, [40, 98, 120]], [0.7, [90, 180, 170]], [1, [248, 232, 130]]];
  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

  function ramp(stops, share) {
    const above = stops.findIndex(([at]) => at >= share);
    if (above <= 0) return stops[above < 0 ? stops.length - 1 : 0][1];
    const [from, a] = stops[above - 1], [to, b] = stops[above];
    return a.map((part, i) => part + (b[i] - part) * (share - from) / (to - from));
  }
  const rgb = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
  const gradient = (stops) => `linear-gradient(90deg, ${stops.map(([at, c]) => rgb(c) + " " + at * 100 + "%").join(", ")})`;

  function unrun(rows) {
    return rows.map((runs) => {
      const row = new Int16Array(data.columns);
      for (let i = 0, column = 0; i < runs.length; i += 2) {
        row.fill(runs[i], column, column + runs[i + 1]);
        column += runs[i + 1];
      }
      return row;
    });
  }
  const belief = { believed: unrun(data.believed), believes: unrun(data.believes) };
  const loadColumn = data.column_s * data.load_merged;
  const rates = (rows) => rows.map((row) => row.map((sum, i) => {
    const columns = Math.min(data.load_merged, data.columns - i * data.load_merged);
    return sum / (columns * data.column_s);
  }));
  const load = { packets: rates(data.packets), bytes: rates(data.bytes) };

  /** A canvas as sharp as the screen, with the place for the plot inside its axes. */
  function prepare(id) {
    const canvas = document.getElementById(id), ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    const box = { x: PLOT.left, y: PLOT.top, w: width - PLOT.left - PLOT.right, h: height - PLOT.top - PLOT.bottom };
    return { canvas, pen, box };
  }

  function ticks(from, to, count) {
    const raw = (to - from) / Math.max(count, 1), unit = 10 ** Math.floor(Math.log10(raw || 1));
    const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= raw) || 1;
    const all = [];
    for (let at = Math.ceil(from / step) * step; at <= to + step * 1e-9; at += step) all.push(+at.toPrecision(12));
    return all;
  }

  const timeX = (box, s) => box.x + (s - start) / (end - start || 1) * box.w;

  function timeAxis({ pen, box }) {
    pen.fillStyle = css("--quiet");
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const at of ticks(start, end, box.w / 90)) pen.fillText(at + " s", timeX(box, at), box.y + box.h + 7);
  }

  function leftAxis({ pen, box }, marks, grid) {
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const [label, y] of marks) {
      pen.fillStyle = css("--quiet");
      pen.fillText(label, box.x - 6, y);
      if (grid) {
        pen.fillStyle = css("--rule");
        pen.fillRect(box.x, Math.round(y), box.w, 1);
      }
    }
  }

  /** The faults: a band over the plot, and a bar with its name above it. */
  function faults({ pen, box }, shade) {
    let free = -Infinity;
    const colour = css("--fault");
    for (const fault of data.faults) {
      const x = timeX(box, fault.from_s), w = Math.max(timeX(box, fault.to_s) - x, 2);
      pen.fillStyle = colour;
      if (shade) {
        pen.globalAlpha = 0.09;
        pen.fillRect(x, box.y, w, box.h);
      }
      pen.globalAlpha = 0.9;
      pen.fillRect(x, box.y - 4, w, 3);
      for (const edge of w > 2 ? [x, x + w] : [x]) {
        pen.globalAlpha = 0.55;
        pen.fillRect(edge, box.y, 1, box.h);
      }
      pen.globalAlpha = 1;
      if (x < free) continue;
      pen.textAlign = "left";
      pen.textBaseline = "bottom";
      let label = fault.label;
      const room = box.x + box.w - x;
      while (label.length > 4 && pen.measureText(label).width > room) label = label.slice(0, -2).trimEnd() + "…";
      if (pen.measureText(label).width <= room) {
        pen.fillText(label, x, box.y - 5);
        free = x + pen.measureText(label).width + 10;
      }
    }
  }
  const during = (s, margin) => data.faults.filter((f) => s >= f.from_s - margin && s <= f.to_s + margin).map((f) => f.label);

  function heat(plot, rows, columns, colour) {
    const { pen, box } = plot;
    if (!rows.length || !columns) return;
    const image = new ImageData(columns, rows.length);
    rows.forEach((row, y) => {
      for (let x = 0; x < columns; x++) {
        const c = colour(row[x]), at = (y * columns + x) * 4;
        image.data[at] = c[0]; image.data[at + 1] = c[1]; image.data[at + 2] = c[2]; image.data[at + 3] = 255;
      }
    });
    const buffer = document.createElement("canvas");
    buffer.width = columns;
    buffer.height = rows.length;
    buffer.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(buffer, box.x, box.y, box.w, box.h);
    const marks = ticks(0, Math.max(rows.length - 1, 1), 6).filter((n) => Number.isInteger(n) && n < rows.length);
    leftAxis(plot, marks.map((n) => [String(n), box.y + (n + 0.5) / rows.length * box.h]), false);
  }

  function hex(colour) {
    const n = parseInt(colour.slice(1, 7), 16);
    return [n >> 16 & 255, n >> 8 & 255, n & 255];
  }

  let chosen = { belief: "believed", load: "packets" };

  function drawBelief() {
    const plot = prepare("belief"), none = hex(css("--none"));
    const table = Array.from({ length: 101 }, (_, share) => ramp(ALIVE, share / 100));
    heat(plot, belief[chosen.belief], data.columns, (value) => value < 0 ? none : table[value]);
    faults(plot, false);
    timeAxis(plot);
    document.getElementById("belief-legend").innerHTML =
      `<span>by none <i class="ramp" style="background:${gradient(ALIVE)}"></i> by all</span>` +
      `<span><i class="swatch" style="background:${css("--none")}"></i>no process</span>`;
  }

  function loadStops() { return isDark() ? LOAD_DARK : LOAD; }

  function drawLoad() {
    const plot = prepare("load"), rows = load[chosen.load], stops = loadStops();
    let most = 0;
    for (const row of rows) for (const value of row) if (value > most) most = value;
    // By its root: what is usual stays visible beside the peaks.
    heat(plot, rows, data.load_columns, (value) => ramp(stops, most ? Math.sqrt(value / most) : 0));
    faults(plot, false);
    timeAxis(plot);
    document.getElementById("load-legend").innerHTML =
      `<span>0 <i class="ramp" style="background:${gradient(stops)}"></i> ${short(most)} ${chosen.load} per second (the scale is by the root)</span>`;
    drawBand(rows);
  }

  function line(pen, points, style, width, dash) {
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.setLineDash(dash || []);
    pen.beginPath();
    points.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y));
    pen.stroke();
    pen.setLineDash([]);
  }

  function drawBand(rows) {
    const plot = prepare("band"), { pen, box } = plot, bands = [];
    for (let x = 0; x < data.load_columns; x++) {
      const column = rows.map((row) => row[x]).sort((a, b) => a - b), n = column.length;
      bands.push([column.reduce((a, b) => a + b, 0) / n, column[Math.max(Math.ceil(n * 0.99) - 1, 0)], column[n - 1]]);
    }
    const most = Math.max(...bands.map((band) => band[2]), 1e-9);
    const y = (value) => box.y + box.h - value / most * box.h;
    leftAxis(plot, ticks(0, most, 4).map((at) => [short(at), y(at)]), true);
    faults(plot, true);
    timeAxis(plot);
    const path = (part) => bands.map((band, x) => [timeX(box, start + (x + 0.5) * loadColumn), y(band[part])]);
    line(pen, path(2), css("--quiet"), 1.2);
    line(pen, path(1), css("--accent"), 1.6, [5, 4]);
    line(pen, path(0), css("--accent"), 2.4);
  }

  function drawSince() {
    const plot = prepare("since"), { pen, box } = plot;
    const all = data.changes.flatMap((change) => change.known_ms);
    const hint = document.getElementById("spread-hint");
    if (!all.length) {
      hint.textContent = "Nothing changed in this run.";
      return;
    }
    const shown = data.changes.length, total = data.changes_in_all;
    hint.textContent = shown < total ? `The first ${shown} of ${total} changes.` : `${total} changes.`;
    // Not as arguments of one call: of those a browser takes a hundred thousand or so.
    const [least, most] = all.reduce(([least, most], ms) => [ms > 0 ? Math.min(least, ms) : least, Math.max(most, ms)], [Infinity, 0]);
    const low = Math.log10(Math.max(least, 0.01)), high = Math.log10(most);
    const x = (ms) => box.x + (Math.log10(Math.max(ms, 0.01)) - low) / (high - low || 1) * box.w;
    const y = (share) => box.y + box.h - share * box.h;
    leftAxis(plot, [0, 0.25, 0.5, 0.75, 1].map((share) => [share * 100 + " %", y(share)]), true);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillStyle = css("--quiet");
    for (let power = Math.ceil(low); power <= high; power++) pen.fillText(span(10 ** power), x(10 ** power), box.y + box.h + 7);
    const shares = [];
    for (const change of data.changes) {
      const points = [];
      change.known_ms.forEach((ms, i) => {
        points.push([x(ms), y(i / change.of)], [x(ms), y((i + 1) / change.of)]);
      });
      line(pen, points, css("--faint"), 1);
      shares.push(change);
    }
    const median = [];
    for (let part = 1; part <= 40; part++) {
      const times = shares.map((change) => change.known_ms[Math.ceil(change.of * part / 40) - 1] ?? Infinity).sort((a, b) => a - b);
      const ms = times[Math.ceil(times.length / 2) - 1];
      if (Number.isFinite(ms)) median.push([x(ms), y(part / 40)]);
    }
    line(pen, median, css("--accent"), 3);
  }

  function drawKnown() {
    const plot = prepare("known"), { pen, box } = plot;
    const most = Math.max(...data.changes.map((change) => change.of), 1);
    const y = (count) => box.y + box.h - count / most * box.h;
    leftAxis(plot, ticks(0, most, 5).filter(Number.isInteger).map((at) => [String(at), y(at)]), true);
    faults(plot, true);
    timeAxis(plot);
    for (const change of data.changes) {
      const points = [[timeX(box, change.at_s), y(0)]];
      change.known_ms.forEach((ms, i) => {
        const at = timeX(box, change.at_s + ms / 1000);
        points.push([at, y(i)], [at, y(i + 1)]);
      });
      line(pen, points, css("--faint"), 1.4);
    }
  }

  function draw() {
    drawBelief();
    drawSince();
    drawKnown();
    drawLoad();
  }

  function show(event, text) {
    tip.textContent = text;
    tip.style.display = "block";
    const { offsetWidth: w, offsetHeight: h } = tip;
    tip.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - w - 8)) + "px";
    tip.style.top = Math.max(8, Math.min(event.clientY + 14, innerHeight - h - 8)) + "px";
  }

  /** Where the pointer is in a plot: shares from the left and from the top. */
  function hover(id, text) {
    const canvas = document.getElementById(id);
    const at = (event) => {
      const rect = canvas.getBoundingClientRect();
      const x = (event.clientX - rect.left - PLOT.left) / (rect.width - PLOT.left - PLOT.right);
      const y = (event.clientY - rect.top - PLOT.top) / (rect.height - PLOT.top - PLOT.bottom);
      const said = x >= 0 && x < 1 && y >= 0 && y < 1 && text(x, y);
      if (said) show(event, said); else tip.style.display = "none";
    };
    canvas.addEventListener("pointermove", at);
    canvas.addEventListener("pointerdown", at);
    canvas.addEventListener("pointerleave", () => { tip.style.display = "none"; });
  }

  const withFaults = (text, s, margin) => [text, ...during(s, margin)].join("\n");
  hover("belief", (x, y) => {
    const rows = belief[chosen.belief], node = Math.floor(y * rows.length), column = Math.floor(x * data.columns);
    if (!rows.length) return "";
    const s = start + (column + 0.5) * data.column_s, value = rows[node][column];
    const what = value < 0 ? "no process" : chosen.belief === "believed" ? `held for alive by ${value} % of the others` : `holds ${value} % of the others for alive`;
    return withFaults(`node ${node}, ${seconds(s)}\n${what}`, s, data.column_s);
  });
  hover("load", (x, y) => {
    const rows = load[chosen.load], node = Math.floor(y * rows.length), column = Math.floor(x * data.load_columns);
    if (!rows.length) return "";
    const s = start + (column + 0.5) * loadColumn;
    return withFaults(`node ${node}, ${seconds(s)}\n${short(rows[node][column])} ${chosen.load} per second`, s, loadColumn);
  });
  hover("known", (x) => {
    const s = start + x * (end - start);
    const near = data.changes.filter((change) => Math.abs(change.at_s - s) < (end - start) / 60).slice(0, 5);
    const lines = near.map((change) => `${change.label}: ${change.known_ms.length} of ${change.of}, the last after ${span(change.known_ms[change.known_ms.length - 1] || 0)}`);
    return withFaults([seconds(s), ...lines].join("\n"), s, 0);
  });

  function choose(group, key) {
    const buttons = document.querySelectorAll(`#${group} button`);
    buttons.forEach((button) => button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      chosen[key] = button.dataset.choice;
      draw();
    }));
  }
  choose("belief-choice", "belief");
  choose("load-choice", "load");

  let pending = 0;
  const redraw = () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(draw); };
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  draw();
  // Whoever tests the page sees that it was drawn, and whether it fits.
  document.documentElement.dataset.drawn = "yes";
  document.documentElement.dataset.overflow = String(document.documentElement.scrollWidth > innerWidth);
})();
