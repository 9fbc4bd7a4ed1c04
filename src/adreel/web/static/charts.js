// Draws what stands in data-chart (the JSON of adreel.charts and adreel.web.changes) with ECharts.
// Texts go to a canvas only, and tooltips are drawn there too: nothing here makes HTML of a name.
(() => {
  "use strict";

  // Told apart by people who see few colours (after Okabe and Ito), on light and on dark ground.
  const COLOURS = {
    light: ["#0b7285", "#c2570c", "#6741a8", "#2b7a3d", "#b02a6b", "#5c6773", "#1d4ed8", "#8a6d00"],
    dark: ["#3bb8cf", "#f2994a", "#b39ddb", "#6fcf97", "#f28ab8", "#a9b4c0", "#7ea6ff", "#e0c34c"],
  };
  const DASHES = ["solid", "dashed", "dotted"];
  const MOST_LABELS = 26;
  const drawn = new Map();

  // A colour of the style sheet as the canvas takes it: whatever it is made of there, here it is read off a pixel.
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const probe = document.createElement("span");
  function css(name) {
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
  }

  const isDark = () => document.documentElement.getAttribute("data-bs-theme") === "dark";
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  function look() {
    return {
      colours: COLOURS[isDark() ? "dark" : "light"],
      text: css("--tblr-body-color"),
      quiet: css("--tblr-secondary"),
      line: css("--tblr-border-color"),
      ground: css("--tblr-bg-surface"),
    };
  }

  // -- texts

  // ECharts reads {name|text} as a style.
  const plain = (text) => String(text).replaceAll("{", "(").replaceAll("}", ")");
  const cut = (text, most = MOST_LABELS) => {
    const whole = plain(text);
    return whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
  };

  function formatter(format, signed = false) {
    const shape = { signDisplay: signed ? "exceptZero" : "auto" };
    const decimals = { minimumFractionDigits: format.decimals, maximumFractionDigits: format.decimals };
    if (format.unit === "money" && /^[A-Z]{3}$/.test(format.currency || "")) {
      const money = new Intl.NumberFormat("en", { ...shape, ...decimals });
      return (value) => `${money.format(value)} ${format.currency}`;
    }
    const number = new Intl.NumberFormat("en", { ...shape, ...decimals });
    return (value) => number.format(value) + (format.unit === "percent" ? " %" : "");
  }

  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  // Marks of an axis below one would look alike with one digit.
  const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
  const short = (format) => (value) =>
    (Math.abs(value) < 1 ? small : compact).format(value) + (format.unit === "percent" ? " %" : "");

  // -- parts of options

  const base = (chart, style) => ({
    animation: !calm(),
    color: style.colours,
    textStyle: { color: style.text, fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true, label: { description: `${plain(chart.title)}. The same figures stand in the table below.` } },
  });

  const tooltip = (style, more) => ({
    renderMode: "richText",
    confine: true,
    backgroundColor: style.ground,
    borderColor: style.line,
    textStyle: { color: style.text, fontSize: 12 },
    ...more,
  });

  const legend = (style, names, more = {}) => ({
    data: names.map(plain),
    top: 0,
    type: "scroll",
    icon: "roundRect",
    textStyle: { color: style.text },
    pageTextStyle: { color: style.text },
    formatter: (name) => cut(name),
    ...more,
  });

  const categories = (style, axis, more = {}) => ({
    type: "category",
    data: axis.values.map(plain),
    axisLine: { lineStyle: { color: style.line } },
    axisTick: { show: false },
    axisLabel: {
      color: style.quiet,
      hideOverlap: true,
      // Of a few names each stands there; of many, as many as have room.
      interval: axis.type === "text" && axis.values.length <= 12 ? 0 : "auto",
      formatter: axis.type === "day" ? (day) => day.slice(5) : (text) => cut(text, 18),
    },
    ...more,
  });

  const values = (style, format, more = {}) => ({
    type: "value",
    axisLabel: { color: style.quiet, formatter: short(format), hideOverlap: true },
    splitLine: { lineStyle: { color: style.line, opacity: 0.6 } },
    splitNumber: 3,
    ...more,
  });

  // -- kinds; each gives the options and the height in pixels

  function line(chart, style) {
    const height = chart.panels.length > 1 ? 130 : 220;
    const panels = chart.panels;
    const opened = new Set(chart.x.open || []);
    const above = panels.some((one) => one.series.some((series) => series.role === "part")) || (panels.length === 1 && panels[0].series.length > 1) ? 34 : 4;
    const options = { ...base(chart, style), grid: [], xAxis: [], yAxis: [], series: [], title: [] };
    const named = new Set();
    panels.forEach((panel, index) => {
      const top = above + index * height;
      const last = index === panels.length - 1;
      options.grid.push({ left: 62, right: 16, top: top + 26, height: height - 62 });
      options.title.push({ text: plain(panel.title), left: 0, top, textStyle: { color: style.text, fontSize: 12, fontWeight: 600 } });
      options.xAxis.push(categories(style, chart.x, { gridIndex: index, axisLabel: { ...categories(style, chart.x).axisLabel, show: last } }));
      options.yAxis.push(values(style, panel.format, { gridIndex: index, scale: false }));
      panel.series.forEach((series, number) => {
        const previous = series.role === "previous";
        const part = series.role === "part";
        const colour = previous ? style.quiet : part ? style.colours[number % style.colours.length] : style.colours[index % style.colours.length];
        const common = {
          type: "line", xAxisIndex: index, yAxisIndex: index, connectNulls: false, showSymbol: series.values.length < 2,
          symbolSize: 6, itemStyle: { color: colour },
          lineStyle: { color: colour, width: previous ? 1.5 : 2, type: previous ? "dashed" : part ? DASHES[number % 3] : "solid" },
        };
        const name = plain(series.name);
        if (part || panels.length === 1) named.add(name);
        const whole = series.values.map((value, place) => (opened.has(place) && !previous ? null : value));
        options.series.push({ ...common, name, data: whole });
        if (previous || !opened.size) return;
        // Days in progress: a dashed piece from the last complete day, with hollow points.
        const rest = series.values.map((value, place) => (opened.has(place) || opened.has(place + 1) ? value : null));
        options.series.push({
          ...common, name, data: rest, showSymbol: true, symbol: "emptyCircle",
          lineStyle: { ...common.lineStyle, type: "dotted" }, tooltip: { show: false },
        });
      });
    });
    options.axisPointer = { link: [{ xAxisIndex: "all" }] };
    if (named.size > 1) options.legend = legend(style, [...named]);
    options.tooltip = tooltip(style, {
      trigger: "axis",
      formatter: (points) => {
        const place = points[0].dataIndex;
        const lines = [chart.x.values[place] + (opened.has(place) ? " (in progress)" : "")];
        for (const panel of panels) {
          const format = formatter(panel.format);
          for (const series of panel.series) {
            const value = series.values[place];
            const day = series.role === "previous" && chart.previous_x ? ` (${chart.previous_x[place]})` : "";
            if (value !== null && value !== undefined) lines.push(`${plain(series.name)}${day}: ${format(value)}`);
          }
        }
        return lines.join("\n");
      },
    });
    return [options, above + panels.length * height];
  }

  function bars(chart, style) {
    const [panel] = chart.panels;
    const [series] = panel.series;
    const format = formatter(panel.format);
    const shares = chart.shares || [];
    const told = (place) => {
      const share = shares[place];
      return format(series.values[place]) + (share === undefined || share === null ? "" : ` (${share.toFixed(1)} %)`);
    };
    return [{
      ...base(chart, style),
      grid: { left: 8, right: 110, top: 8, bottom: 8, containLabel: true },
      xAxis: values(style, panel.format, { axisLabel: { show: false }, splitLine: { show: false } }),
      yAxis: categories(style, chart.x, { inverse: true, axisLabel: { color: style.text, formatter: (text) => cut(text) } }),
      series: [{
        type: "bar", name: plain(series.name), data: series.values, barMaxWidth: 22, itemStyle: { color: style.colours[0], borderRadius: 2 },
        label: { show: true, position: "right", color: style.text, formatter: (point) => (point.value === null ? "" : told(point.dataIndex)) },
      }],
      tooltip: tooltip(style, { trigger: "item", formatter: (point) => `${plain(chart.x.values[point.dataIndex])}\n${plain(series.name)}: ${told(point.dataIndex)}` }),
    }, Math.max(120, chart.x.values.length * 30 + 24)];
  }

  function standing(chart, style) {
    const [panel] = chart.panels;
    const format = formatter(panel.format);
    const several = panel.series.length > 1;
    return [{
      ...base(chart, style),
      aria: { ...base(chart, style).aria, decal: { show: several } },
      grid: { left: 8, right: 12, top: several ? 36 : 12, bottom: 8, containLabel: true },
      legend: several ? legend(style, panel.series.map((one) => one.name)) : undefined,
      xAxis: categories(style, chart.x),
      yAxis: values(style, panel.format),
      series: panel.series.map((one) => ({ type: "bar", name: plain(one.name), data: one.values, barMaxWidth: 36, itemStyle: { borderRadius: 2 } })),
      tooltip: tooltip(style, {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (points) => [plain(chart.x.values[points[0].dataIndex]),
          ...points.filter((one) => one.value !== null && one.value !== undefined).map((one) => `${one.seriesName}: ${format(one.value)}`)].join("\n"),
      }),
    }, 280];
  }

  function heat(chart, style, element) {
    const format = formatter(chart.format);
    const top = Math.max(chart.most, Number.MIN_VALUE);
    const left = 92;
    const size = () => [Math.max(4, (element.clientWidth - left - 12) / chart.x.values.length - 2), Math.max(4, 230 / Math.max(1, chart.y.values.length) - 2)];
    return [{
      ...base(chart, style),
      grid: { left, right: 12, top: 8, bottom: 28, outerBoundsMode: "none" },
      xAxis: categories(style, chart.x, { splitLine: { show: false } }),
      yAxis: categories(style, chart.y, { inverse: true, axisLabel: { color: style.text } }),
      series: [{
        type: "scatter", name: plain(chart.title_value), symbol: "rect", symbolSize: size(),
        data: chart.cells.filter((cell) => cell[2] !== null).map((cell) => ({
          value: cell, itemStyle: { color: style.colours[0], opacity: 0.07 + (0.93 * Math.max(0, cell[2])) / top },
        })),
      }],
      tooltip: tooltip(style, {
        trigger: "item",
        formatter: (point) => `${plain(chart.y.values[point.value[1]])} ${plain(chart.x.values[point.value[0]])}:00\n${plain(chart.title_value)}: ${format(point.value[2])}`,
      }),
    }, 270, () => ({ series: [{ symbolSize: size() }] })];
  }

  // By how much each day moved; days that only one of the versions has are there to be switched on.
  function moves(chart, style, element) {
    const select = document.querySelector(`[data-panel-of="${element.id}"]`);
    const panel = chart.panels[Number(select ? select.value : 0)] || chart.panels[0];
    const format = formatter(panel.format, panel.signed);
    const there = panel.series.filter((one) => one.values.some((value) => value));
    const hidden = Object.fromEntries(there.map((one) => [plain(one.name), one.shown !== false || there.every((other) => other.shown === false)]));
    return [{
      ...base(chart, style),
      grid: { left: 8, right: 12, top: there.length > 1 ? 36 : 12, bottom: chart.x.values.length > 60 ? 48 : 8, containLabel: true },
      legend: there.length > 1 ? legend(style, there.map((one) => one.name), { selected: hidden }) : undefined,
      dataZoom: chart.x.values.length > 60 ? [{ type: "slider", bottom: 4, height: 18 }] : undefined,
      xAxis: categories(style, chart.x, { axisLine: { onZero: true, lineStyle: { color: style.quiet } } }),
      yAxis: values(style, panel.format),
      series: there.map((one) => ({ type: "bar", stack: "all", name: plain(one.name), data: one.values, barMaxWidth: 40, itemStyle: { borderRadius: 2 } })),
      tooltip: tooltip(style, {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (points) => [chart.x.values[points[0].dataIndex],
          ...points.filter((one) => one.value).map((one) => `${one.seriesName}: ${format(one.value)}`)].join("\n"),
      }),
    }, 300];
  }

  const KINDS = { line, bars, funnel: bars, columns: standing, grouped: standing, heat, moves };

  // -- drawing

  function draw(element) {
    const chart = JSON.parse(element.dataset.chart);
    if (!window.echarts || !KINDS[chart.kind]) {
      element.textContent = "The chart cannot be drawn here; its figures stand in the table.";
      return;
    }
    const [options, height, resized] = KINDS[chart.kind](chart, look(), element);
    element.style.height = `${height}px`;
    element.classList.add("drawn");
    let canvas = window.echarts.getInstanceByDom(element);
    if (canvas && !element.querySelector("canvas")) {
      canvas.dispose();
      canvas = null;
    }
    canvas = canvas || window.echarts.init(element, null, { renderer: "canvas" });
    canvas.setOption(options, { notMerge: true });
    if (!drawn.has(element)) watch.observe(element);
    drawn.set(element, resized);
  }

  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const canvas = window.echarts.getInstanceByDom(target);
      if (!target.isConnected) {
        watch.unobserve(target);
        drawn.delete(target);
        if (canvas) canvas.dispose();
      } else if (canvas) {
        canvas.resize();
        const resized = drawn.get(target);
        if (resized) canvas.setOption(resized());
      }
    }
  });

  function drawAll(root) {
    if (root.matches && root.matches("[data-chart]")) draw(root);
    for (const element of root.querySelectorAll ? root.querySelectorAll("[data-chart]") : []) draw(element);
  }

  new MutationObserver(() => [...drawn.keys()].filter((one) => one.isConnected).forEach(draw))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });

  document.addEventListener("change", (event) => {
    const chart = event.target.dataset && event.target.dataset.panelOf;
    if (chart) draw(document.getElementById(chart));
  });

  if (window.htmx) window.htmx.onLoad(drawAll);
  else document.addEventListener("DOMContentLoaded", () => drawAll(document.body));
})();
