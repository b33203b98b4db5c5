/* Draws the charts of the dashboard with plotly.js, from the numbers that the page carries. */
"use strict";

const CHARTS = JSON.parse(document.getElementById("charts").textContent);
const PATTERNS = { few: "\\" };
const DAY = 24 * 60 * 60 * 1000;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
const font = (size = 14) => ({ family: getComputedStyle(document.body).fontFamily, size, color: colour("ink") });

/* The fill of one series; hatched is what is too few to judge, and nothing else. */
function marker(role) {
  const pattern = PATTERNS[role]
    ? { shape: PATTERNS[role], fillmode: "overlay", fgcolor: colour("paper"), fgopacity: 0.55, size: 7, solidity: 0.25 }
    : {};
  return { color: colour(role), pattern, line: { color: colour("paper"), width: 1 } };
}

function layout(width, height) {
  return {
    width, height, font: font(), margin: { l: 0, r: 0, t: 0, b: 0 }, barmode: "stack", dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("line"), font: font() },
    legend: { traceorder: "normal", orientation: "h", x: 0, y: 1, yanchor: "bottom", itemclick: false, itemdoubleclick: false, font: font() },
  };
}

const YEAR = 4; // signs of a day that are its year
const spansYears = ({ days }) => days[0].slice(0, YEAR) !== days.at(-1).slice(0, YEAR);

/* First days as ticks: as many as have room; the year stands below the first of each, where there is more than one. */
function ticks(chart, width) {
  const { days } = chart;
  const step = Math.ceil(days.length / Math.max(2, Math.floor(width / 80)));
  const shown = days.filter((_day, at) => at % step === 0);
  const day = chart.step === "month" ? {} : { day: "numeric" };
  const words = new Intl.DateTimeFormat("en-US", { month: "short", ...day, timeZone: "UTC" });
  const year = (at) => (spansYears(chart) && shown[at].slice(0, YEAR) !== shown[at - 1]?.slice(0, YEAR) ? `<br>${shown[at].slice(0, YEAR)}` : "");
  return { tickvals: shown, ticktext: shown.map((one, at) => words.format(new Date(one)) + year(at)) };
}

/* The day after a week or month. */
function after(day, step) {
  const next = new Date(day);
  if (step === "month") next.setUTCMonth(next.getUTCMonth() + 1);
  else next.setUTCDate(next.getUTCDate() + 7);
  return +next;
}

/* A line on each day on which new knowledge came into use, its words where they have room. */
function changes(marks, days, width) {
  const labelled = width < 600 ? marks.slice(-1) : marks;
  const middle = days[Math.floor(days.length / 2)];
  return {
    shapes: marks.map((day) => ({
      type: "line", x0: day, x1: day, y0: 0, y1: 1, yref: "paper",
      line: { color: colour("faint"), width: 1.5, dash: "dot" },
    })),
    annotations: labelled.map((day) => ({
      x: day, y: 1, yref: "paper", yanchor: "top", showarrow: false, text: "new rule version",
      xanchor: day > middle ? "right" : "left", xshift: day > middle ? -4 : 4, font: { ...font(12), color: colour("faint") }, bgcolor: colour("paper"),
    })),
  };
}

/* Columns over weeks or months, each from its first day to its last. */
function steps(chart, width) {
  const unit = chart.unit === "%" ? "%" : "";
  const height = chart.marks.length || chart.series.length > 2 ? 320 : 272;
  const widths = chart.days.map((day) => after(day, chart.step) - new Date(day) - DAY);
  const traces = chart.series.map((series) => ({
    type: "bar", name: series.name, x: chart.days, y: series.values, offset: 0, width: widths,
    marker: marker(series.role), hovertemplate: unit ? "%{y:.1f}%" : "%{y}",
  }));
  const ends = [new Date(chart.days[0]) - DAY / 2, after(chart.days.at(-1), chart.step)];
  const axis = { fixedrange: true, showgrid: false, zeroline: false, automargin: true };
  return [traces, {
    ...layout(width, height),
    ...changes(chart.marks, chart.days, width),
    margin: { l: 32, r: 8, t: chart.series.length > 1 ? 36 : 10, b: spansYears(chart) ? 48 : 30 }, showlegend: chart.series.length > 1, hovermode: "x unified",
    xaxis: {
      ...axis, type: "date", range: ends, ...ticks(chart, width), unifiedhovertitle: { text: chart.step === "month" ? "%{x|%B %Y}" : "Week from %{x|%b %-d, %Y}" }, showspikes: false,
      linecolor: colour("line"), showline: true, ticks: "outside", tickcolor: colour("line"),
    },
    yaxis: { ...axis, rangemode: "tozero", showgrid: true, gridcolor: colour("line"), ticksuffix: unit, nticks: 5, tickformat: unit ? "" : ",d" },
  }];
}

const pen = document.createElement("canvas").getContext("2d");
function widthOf(text) {
  pen.font = `14px ${font().family}`;
  return pen.measureText(text).width;
}

/* A label in lines that fit the width. */
function lines(text, width) {
  return text.split(" ").reduce((found, word) => {
    const last = found.at(-1);
    if (last !== undefined && widthOf(`${last} ${word}`) <= width) found[found.length - 1] = `${last} ${word}`;
    else found.push(word);
    return found;
  }, []);
}

/* One bar under each label; heights are in pixels, so that long labels have their lines. */
function bars(chart, width) {
  const [line, bar, gap] = [19, 14, 16];
  const percent = chart.unit === "%";
  const annotations = [];
  const rows = [];
  let y = 0;
  const legend = chart.series.length > 1 ? 40 : 0;
  chart.labels.forEach((label, at) => {
    const note = chart.notes[at];
    const narrow = width < 420;
    const wrapped = lines(label, narrow ? width - 4 : width - widthOf(note) - 20);
    const height = line * (wrapped.length + (narrow ? 1 : 0));
    const text = { xref: "paper", yref: "y", y, yanchor: "top", showarrow: false, borderpad: 0 };
    annotations.push({ ...text, x: 0, xanchor: "left", align: "left", text: wrapped.map(escaped).join("<br>") });
    annotations.push(narrow
      ? { ...text, x: 0, xanchor: "left", y: y + line * wrapped.length, text: escaped(note), font: { ...font(), color: colour("faint") } }
      : { ...text, x: 1, xanchor: "right", align: "right", text: escaped(note), font: { ...font(), color: colour("faint") } });
    rows.push(y + height + 4 + bar / 2);
    y += height + 4 + bar + gap;
  });
  const totals = chart.labels.map((_label, at) => chart.series.reduce((sum, one) => sum + (one.values[at] || 0), 0));
  const most = chart.whole || Math.max(1, ...totals);
  const traces = chart.series.map((series) => ({
    type: "bar", orientation: "h", name: series.name, y: rows, x: series.values, width: bar,
    marker: marker(series.role), customdata: chart.labels.map(escaped),
    hovertemplate: `%{customdata}<br>${escaped(series.name)}: %{x${percent ? ":.1f" : ""}}${percent ? "%" : ""}<extra></extra>`,
  }));
  const track = (chart.whole ? rows : []).map((middle) => ({
    type: "rect", layer: "below", xref: "paper", x0: 0, x1: 1, y0: middle - bar / 2, y1: middle + bar / 2,
    fillcolor: colour("track"), line: { width: 0 },
  }));
  const axis = { fixedrange: true, visible: false };
  return [traces, {
    ...layout(width, y + legend),
    margin: { l: 0, r: 0, t: legend, b: 0 }, showlegend: chart.series.length > 1,
    annotations, shapes: track, hovermode: "closest",
    xaxis: { ...axis, range: [0, most] }, yaxis: { ...axis, range: [y, 0] },
  }];
}

const KINDS = { steps, bars };

function draw() {
  for (const place of document.querySelectorAll(".chart")) {
    const chart = CHARTS[place.dataset.figure];
    const [traces, look] = KINDS[chart.kind](chart, place.clientWidth);
    Plotly.react(place, traces, look, { displayModeBar: false, locale: "en-US" });
  }
}

let waiting;
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 100);
}

addEventListener("resize", later);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
