// Measures one page: where its words stand, what its plots hold, and what cannot be read in grey.
"use strict";

function boxOf(rect) {
  return [rect.left, rect.top, rect.right, rect.bottom].map((v) => Math.round(v * 10) / 10);
}

function shown(element) {
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  return style.visibility !== "hidden" && style.display !== "none" && Number(style.opacity) > 0;
}

function luminance(colour) {
  const found = colour.match(/[\d.]+/g);
  if (!found || (found.length > 3 && Number(found[3]) === 0)) return null;
  const linear = found.slice(0, 3).map((v) => {
    const share = Number(v) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const value = luminance(element.ownerDocument.defaultView.getComputedStyle(at).backgroundColor);
    if (value !== null) return value;
  }
  return 1;
}

function contrast(a, b) {
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** Words of the page itself: one box for each line of each text node. */
function wordsOf(doc) {
  const words = [];
  const walker = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const folded = parent.closest("details:not([open])") && !parent.closest("summary");
    if (!node.data.trim() || folded || parent.closest("svg,script,style") || !shown(parent)) continue;
    const range = doc.createRange();
    range.selectNodeContents(node);
    const ink = luminance(doc.defaultView.getComputedStyle(parent).color);
    for (const rect of range.getClientRects()) {
      if (rect.width < 1) continue;
      words.push({ text: node.data.trim().slice(0, 40), box: boxOf(rect), contrast: contrast(ink, behind(parent)) });
    }
  }
  return words;
}

/** Words in a figure: groups that matplotlib names text_N, or <text>. */
function labelsOf(svg) {
  const groups = [...svg.querySelectorAll('g[id*="text_"], text')].filter((g) => !g.closest("defs"));
  return groups
    .map((g) => ({ text: (g.textContent.trim() || comment(g)).slice(0, 40), box: boxOf(g.getBoundingClientRect()) }))
    .filter((label) => label.box[2] - label.box[0] > 0.5 && label.text);
}

function comment(group) {
  for (const node of group.childNodes) if (node.nodeType === Node.COMMENT_NODE) return node.data.trim();
  return "";
}

/** Axes of a figure: their frame, how many marks they hold, and the look of each series of marks. */
function axesOf(svg) {
  return [...svg.querySelectorAll('g[id*="axes_"]')].map((axes) => {
    const frame = axes.querySelector('g[id*="patch_"] path') || axes;
    const data = [...axes.children].filter((g) => /(line2d|Collection|FillBetween|QuadMesh|image|Mesh)/.test(g.id));
    const patches = [...axes.children].filter((g) => /patch_/.test(g.id)).map((g) => g.querySelector("path"));
    const filled = patches.filter((path) => path && getComputedStyle(path).fill !== "none").length;
    const marks = axes.querySelectorAll(":scope > image").length + data.reduce((sum, g) => sum + g.querySelectorAll("path[d]:not([d='']), use, image").length, 0);
    return { box: boxOf(frame.getBoundingClientRect()), marks: marks, patches: filled, looks: looksOf(data) };
  });
}

function looksOf(groups) {
  const looks = new Map();
  for (const group of groups) {
    const use = group.querySelector("use");
    const shape = use ? use.ownerSVGElement.querySelector(use.getAttribute("href") || use.getAttribute("xlink:href")) : null;
    const path = shape || group.querySelector("path");
    if (!path) continue;
    const style = path.ownerDocument.defaultView.getComputedStyle(use || path);
    const filled = style.fill !== "none" ? style.fill : style.stroke;
    const grey = luminance(filled);
    const form = shape ? shape.getAttribute("d").replace(/[\d.\s-]+/g, "") + size(shape) : style.strokeDasharray;
    looks.set(filled + form, { colour: filled, grey: grey === null ? -1 : grey, form: form, marker: Boolean(shape) });
  }
  return [...looks.values()];
}

function size(path) {
  const numbers = path.getAttribute("d").match(/-?[\d.]+/g) || [];
  return ":" + numbers.length;
}

function measure(doc) {
  const root = doc.documentElement;
  return {
    width: root.clientWidth,
    scroll: root.scrollWidth,
    height: root.scrollHeight,
    words: wordsOf(doc),
    figures: [...doc.querySelectorAll("svg")].filter((svg) => !svg.parentElement.closest("svg") && svg.getBoundingClientRect().width > 0).map((svg) => ({
      name: svg.getAttribute("aria-label") || "",
      box: boxOf(svg.getBoundingClientRect()),
      labels: labelsOf(svg),
      axes: axesOf(svg),
      shapes: svg.querySelectorAll("path, rect, line, circle, use").length,
    })),
  };
}

window.addEventListener("load", () => {
  const pages = {};
  for (const frame of document.querySelectorAll("iframe")) pages[frame.title] = measure(frame.contentDocument);
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify(pages);
  document.body.replaceChildren(out);
});
