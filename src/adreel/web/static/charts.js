// Draws the chart in data-chart (the JSON of adreel.charts and adreel.web.changes) with ECharts.
// Texts go to a canvas only, and tooltips are drawn there too: nothing here makes HTML of a name.
(() => {
  "use strict";

  // Distinct for color-blind people (after Okabe and Ito), on light and dark backgrounds.
  const COLOURS = {
    light: ["#0b7285", "#c2570c", "#6741a8", "#2b7a3d", "#b02a6b", "#5c6773", "#1d4ed8", "#8a6d00"],
    dark: ["#3bb8cf", "#f2994a", "#b39ddb", "#6fcf97", "#f28ab8", "#a9b4c0", "#7ea6ff", "#e0c34c"],
  };
  const DASHES = ["solid", "dashed", "dotted"];
  // The charts on the page, with the width each was drawn for.
  const drawn = new Map();

  // A colour of the style sheet as rgba, which the canvas takes: read from a pixel that was filled with it.
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
  const FONT = 12;
  const LINE = 16;

  // The width of a text in pixels, as the canvas draws it.
  const ruler = document.createElement("canvas").getContext("2d");
  function widthOf(text, weight = 400) {
    ruler.font = `${weight} ${FONT}px ${getComputedStyle(document.body).fontFamily}`;
    return ruler.measureText(text).width;
  }

  // The whole text in lines of at most so many pixels: broken between words, and within a word only if it is longer.
  function wrapped(text, width, weight = 400) {
    const lines = [];
    let line = "";
    for (const word of plain(text).split(/(?<=[\s\-_/,|])/)) {
      if (line && widthOf((line + word).trimEnd(), weight) > width) {
        lines.push(line.trimEnd());
        line = "";
      }
      line += word;
      while (widthOf(line.trimEnd(), weight) > width && line.length > 1) {
        let fitting = line.length - 1;
        while (fitting > 1 && widthOf(line.slice(0, fitting), weight) > width) fitting -= 1;
        lines.push(line.slice(0, fitting));
        line = line.slice(fitting);
      }
    }
    return [...lines, line.trimEnd()];
  }
  const folded = (text, width, weight) => wrapped(text, width, weight).join("\n");

  function formatter(format, signed = false) {
    const shape = { signDisplay: signed ? "exceptZero" : "auto" };
    const decimals = { minimumFractionDigits: format.decimals, maximumFractionDigits: format.decimals };
    if (format.unit === "money" && /^[A-Z]{3}$/.test(format.currency || "")) {
      const money = new Intl.NumberFormat(locale(), { ...shape, ...decimals });
      return (value) => `${money.format(value)} ${format.currency}`;
    }
    const number = new Intl.NumberFormat(locale(), { ...shape, ...decimals });
    return (value) => number.format(value) + (format.unit === "percent" ? " %" : "");
  }

  const compact = new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 });
  // Axis labels below 1 need two significant digits.
  const small = new Intl.NumberFormat(locale(), { maximumSignificantDigits: 2 });
  const shareText = new Intl.NumberFormat(locale(), { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false });
  const short = (format) => (value) =>
    (Math.abs(value) < 1 ? small : compact).format(value) + (format.unit === "percent" ? " %" : "");

  // Days and months come as 2026-11-30 and 2026-11, which English keeps; on an axis a day has no year.
  const isEnglish = locale() === "en";
  const written = (options) => {
    const format = new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" });
    return (day) => format.format(new Date(`${day}T00:00:00Z`));
  };
  const DAYS = written({ dateStyle: "medium" });
  const DAYS_OF_AXIS = written({ day: "2-digit", month: "2-digit" });
  const MONTHS = written({ month: "short", year: "numeric" });
  const dayText = (day) => (isEnglish || !/^\d{4}-\d\d-\d\d$/.test(day) ? day : DAYS(day));
  const axisDay = (day) => (isEnglish ? day.slice(5) : dayText(day) === day ? day : DAYS_OF_AXIS(day));
  const axisText = (axis, value) =>
    (axis.type === "day" ? dayText(value) : axis.type === "month" && !isEnglish ? MONTHS(`${value}-01`) : value);

  // -- parts of options

  // The places of days that are incomplete, for all figures or for this one.
  const incomplete = (chart, panel) => new Set([...(chart.x.open ?? []), ...(panel.open ?? [])]);

  // What a picture shows in sentences: of each figure its extremes, and the sum of what is summed, over complete days.
  const summary = (chart) => (chart.cells ? [heatSummary(chart)] : (chart.panels ?? []).flatMap((panel) => panel.series
    .filter((series) => series.role !== "previous" && panel.format).map((series) => {
      const opened = incomplete(chart, panel);
      const format = formatter(panel.format);
      const share = (place) => (typeof chart.shares?.[place] === "number" ? ` (${shareText.format(chart.shares[place])} %)` : "");
      const points = series.values.map((value, place) => [value, plain(axisText(chart.x, chart.x.values[place])), format(value) + share(place)]);
      const total = typeof panel.total === "number" && series.role === "main" ? format(panel.total) : null;
      return extremes(plain(series.name), points.filter(([value], place) => typeof value === "number" && !opened.has(place)), total);
    }))).filter(Boolean).slice(0, 10).join(" ");

  // `points` are [value, where it is, its text].
  function extremes(figure, points, total = null) {
    if (!points.length) return "";
    const ordered = [...points].sort((one, other) => one[0] - other[0]);
    const [low, high] = [ordered[0], ordered.at(-1)];
    const facts = { figure, high: high[2], high_at: high[1], low: low[2], low_at: low[1] };
    return total === null
      ? phrase("%(figure)s: highest %(high)s (%(high_at)s), lowest %(low)s (%(low_at)s).", facts)
      : phrase("%(figure)s: total %(total)s, highest %(high)s (%(high_at)s), lowest %(low)s (%(low_at)s).", { ...facts, total });
  }

  function heatSummary(chart) {
    const format = formatter(chart.format);
    return extremes(plain(chart.title_value), chart.cells.filter((cell) => cell[2] !== null)
      .map(([x, y, value]) => [value, plain(`${chart.y.values[y]} ${chart.x.values[x]}:00`), format(value)]));
  }

  const base = (chart, style) => ({
    animation: !calm(),
    color: style.colours,
    textStyle: { color: style.text, fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true, label: { description: [phrase("%(title)s. The table below has the same figures.", { title: plain(chart.title) }), summary(chart)].join(" ").trim() } },
  });

  const tooltip = (style, element, more) => ({
    renderMode: "richText",
    confine: true,
    backgroundColor: style.ground,
    borderColor: style.line,
    textStyle: { color: style.text, fontSize: FONT, lineHeight: LINE },
    ...more,
    formatter: (point) => more.formatter(point).split("\n").map((text) => folded(text, element.clientWidth - 40)).join("\n"),
  });

  const LEGEND = { icon: 25, gap: 12 };

  // A legend with every name in full, and the height that its rows take.
  function legend(style, names, width, more = {}) {
    const room = width - LEGEND.icon - 8;
    let rows = 1;
    let used = 0;
    let lines = 1;
    for (const name of names) {
      const item = LEGEND.icon + 5 + Math.min(room, widthOf(plain(name))) + LEGEND.gap;
      if (used && used + item > width) {
        rows += 1;
        used = 0;
      }
      used += item;
      lines = Math.max(lines, wrapped(name, room).length);
    }
    const options = {
      data: names.map(plain),
      top: 0,
      left: "center",
      width,
      itemGap: LEGEND.gap,
      icon: "roundRect",
      inactiveColor: style.quiet,
      textStyle: { color: style.text, fontSize: FONT, lineHeight: LINE },
      formatter: (name) => folded(name, room),
      ...more,
    };
    return [options, rows * (lines * LINE + LEGEND.gap) + 4];
  }

  // `width` is that of the whole axis.
  const categories = (style, axis, width, more = {}) => ({
    type: "category",
    data: axis.values.map(plain),
    axisLine: { lineStyle: { color: style.line } },
    axisTick: { show: false },
    axisLabel: {
      color: style.quiet,
      lineHeight: LINE,
      hideOverlap: true,
      // Up to 12 names are all shown; of more, as many as fit.
      interval: axis.type === "text" && axis.values.length <= 12 ? 0 : "auto",
      formatter: axis.type === "day" ? axisDay : axis.type === "month" ? (month) => axisText(axis, month)
        : (text) => (axis.type === "text" && axis.values.length <= 12 ? folded(text, Math.max(36, width / axis.values.length - 6)) : plain(text)),
    },
    ...more,
  });

  const values = (style, format, more = {}) => ({
    type: "value",
    axisLabel: { color: style.quiet, formatter: short(format), hideOverlap: true },
    splitLine: { lineStyle: { color: style.line, opacity: 0.6 } },
    splitNumber: 3,
    // Of what is counted, no half is on the axis.
    minInterval: format.unit === "count" ? 1 : 0,
    ...more,
  });

  // -- kinds; each gives the options and the height in pixels

  function line(chart, style, element) {
    const width = element.clientWidth;
    const plot = chart.panels.length > 1 ? 68 : 158;
    const panels = chart.panels;
    const open = new Set(chart.x.open ?? []);
    const options = { ...base(chart, style), grid: [], xAxis: [], yAxis: [], series: [], title: [] };
    const named = new Set(panels.flatMap((panel) => panel.series)
      .filter((series) => series.role === "part" || panels.length === 1).map((series) => plain(series.name)));
    let top = 4;
    if (named.size > 1) [options.legend, top] = legend(style, [...named], width);
    const days = categories(style, chart.x, width - 78);
    panels.forEach((panel, index) => {
      const last = index === panels.length - 1;
      const opened = incomplete(chart, panel);
      const title = wrapped(panel.title, width - 10, 600);
      options.title.push({ text: title.join("\n"), left: 0, top, textStyle: { color: style.text, fontSize: FONT, fontWeight: 600, lineHeight: LINE } });
      top += title.length * LINE + 16;
      options.grid.push({ left: 62, right: 16, top, height: plot });
      top += plot + 34;
      options.xAxis.push({ ...days, gridIndex: index, axisLabel: { ...days.axisLabel, show: last } });
      options.yAxis.push(values(style, panel.format, { gridIndex: index, scale: false, splitNumber: panels.length > 1 ? 2 : 3 }));
      panel.series.forEach((series, number) => {
        const previous = series.role === "previous";
        const part = series.role === "part";
        const colour = previous ? style.quiet : part ? style.colours[number % style.colours.length] : style.colours[index % style.colours.length];
        const common = {
          // A single day is a point, with its value beside it.
          labelLayout: { hideOverlap: true },
          label: { show: series.values.filter(given).length === 1, position: number % 2 ? "left" : "right", color: style.text, formatter: (point) => formatter(panel.format)(point.value) },
          type: "line", xAxisIndex: index, yAxisIndex: index, connectNulls: false, showSymbol: alone(series.values), showAllSymbol: true,
          symbolSize: 6, itemStyle: { color: colour },
          lineStyle: { color: colour, width: previous ? 1.5 : 2, type: previous ? "dashed" : part ? DASHES[number % 3] : "solid" },
        };
        const name = plain(series.name);
        const whole = series.values.map((value, place) => (opened.has(place) && !previous ? null : value));
        options.series.push({ ...common, name, data: whole });
        if (previous || !opened.size) return;
        // Days in progress: a dashed piece from the last complete day, with hollow points.
        const rest = series.values.map((value, place) => (opened.has(place) || opened.has(place + 1) ? value : null));
        options.series.push({
          ...common, name, data: rest, showSymbol: true, showAllSymbol: true, symbol: "circle",
          itemStyle: { color: style.ground, borderColor: colour, borderWidth: 1.5 },
          lineStyle: { ...common.lineStyle, type: "dotted" }, tooltip: { show: false },
        });
      });
    });
    options.axisPointer = { link: [{ xAxisIndex: "all" }] };
    options.tooltip = tooltip(style, element, {
      trigger: "axis",
      formatter: (points) => {
        const place = points[0].dataIndex;
        const day = axisText(chart.x, chart.x.values[place]);
        const lines = [open.has(place) ? phrase("%(day)s (incomplete)", { day }) : day];
        for (const panel of panels) {
          const format = formatter(panel.format);
          const isLate = !open.has(place) && incomplete(chart, panel).has(place);
          for (const series of panel.series) {
            const value = series.values[place];
            const before = series.role === "previous" && chart.previous_x ? ` (${dayText(chart.previous_x[place])})` : "";
            if (value !== null && value !== undefined) {
              const text = isLate ? phrase("%(value)s (incomplete)", { value: format(value) }) : format(value);
              lines.push(`${plain(series.name)}${before}: ${text}`);
            }
          }
        }
        return lines.join("\n");
      },
    });
    return [options, top];
  }

  // Whether a value has no neighbor, so that no line would show it.
  const given = (value) => value !== null && value !== undefined;
  const alone = (values) => values.some((value, place) => given(value) && !given(values[place - 1]) && !given(values[place + 1]));

  function bars(chart, style, element) {
    const [panel] = chart.panels;
    const [series] = panel.series;
    const format = formatter(panel.format);
    const shares = chart.shares || [];
    const valueText = (place) => {
      const part = shares[place];
      return format(series.values[place]) + (part === undefined || part === null ? "" : ` (${shareText.format(part)} %)`);
    };
    const right = 14 + Math.max(...series.values.map((value, place) => (value === null ? 0 : widthOf(valueText(place)))));
    const room = Math.max(80, Math.min(300, (element.clientWidth - right) * 0.55));
    const labels = chart.x.values.map((text) => wrapped(text, room));
    const most = Math.max(...labels.map((lines) => lines.length));
    return [{
      ...base(chart, style),
      grid: { left: 8 + Math.max(...labels.flat().map((text) => widthOf(text))) + 8, right, top: 4, bottom: 4 },
      xAxis: values(style, panel.format, { axisLabel: { show: false }, splitLine: { show: false } }),
      yAxis: categories(style, chart.x, element.clientWidth, {
        inverse: true, axisLabel: { color: style.text, fontSize: FONT, lineHeight: LINE, interval: 0, formatter: (text, place) => labels[place].join("\n") },
      }),
      series: [{
        type: "bar", name: plain(series.name), data: series.values, barMaxWidth: 22, itemStyle: { color: style.colours[0], borderRadius: 2 },
        emphasis: { itemStyle: { borderColor: style.text, borderWidth: 2 } },
        label: { show: true, position: "right", color: style.text, formatter: (point) => (point.value === null ? "" : valueText(point.dataIndex)) },
      }],
      tooltip: tooltip(style, element, { trigger: "item", formatter: (point) => `${plain(chart.x.values[point.dataIndex])}\n${plain(series.name)}: ${valueText(point.dataIndex)}` }),
    }, chart.x.values.length * Math.max(30, most * LINE + 10) + 8];
  }

  function columns(chart, style, element) {
    const [panel] = chart.panels;
    const format = formatter(panel.format);
    const several = panel.series.length > 1;
    const [names, above] = several ? legend(style, panel.series.map((series) => series.name), element.clientWidth) : [undefined, 12];
    return [{
      ...base(chart, style),
      aria: { ...base(chart, style).aria, decal: { show: several } },
      grid: { left: 8, right: 12, top: above, bottom: 8, containLabel: true },
      legend: names,
      xAxis: categories(style, chart.x, element.clientWidth - 60),
      yAxis: values(style, panel.format),
      series: panel.series.map((series) => ({ type: "bar", name: plain(series.name), data: series.values, barMaxWidth: 36, itemStyle: { borderRadius: 2 } })),
      tooltip: tooltip(style, element, {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (points) => [plain(axisText(chart.x, chart.x.values[points[0].dataIndex])),
          ...points.filter((point) => point.value !== null && point.value !== undefined).map((point) => `${point.seriesName}: ${format(point.value)}`)].join("\n"),
      }),
    }, 244 + above];
  }

  function heat(chart, style, element) {
    const format = formatter(chart.format);
    const top = Math.max(chart.most, Number.MIN_VALUE);
    const left = 92;
    const size = () => [Math.max(4, (element.clientWidth - left - 12) / chart.x.values.length - 2), Math.max(4, 230 / Math.max(1, chart.y.values.length) - 2)];
    return [{
      ...base(chart, style),
      grid: { left, right: 12, top: 8, bottom: 28, outerBoundsMode: "none" },
      xAxis: categories(style, chart.x, element.clientWidth - left, { splitLine: { show: false } }),
      yAxis: categories(style, chart.y, element.clientWidth, { inverse: true, axisLabel: { color: style.text } }),
      series: [{
        type: "scatter", name: plain(chart.title_value), symbol: "rect", symbolSize: size(),
        data: chart.cells.filter((cell) => cell[2] !== null).map((cell) => ({
          value: cell, itemStyle: { color: style.colours[0], opacity: 0.07 + (0.93 * Math.max(0, cell[2])) / top },
        })),
      }],
      tooltip: tooltip(style, element, {
        trigger: "item",
        formatter: (point) => `${plain(chart.y.values[point.value[1]])} ${plain(chart.x.values[point.value[0]])}:00\n${plain(chart.title_value)}: ${format(point.value[2])}`,
      }),
    }, 270];
  }

  // The change of each day; days that only one version has are hidden until the legend shows them.
  function moves(chart, style, element) {
    const select = document.querySelector(`[data-panel-of="${element.id}"]`);
    const panel = chart.panels[Number(select ? select.value : 0)] || chart.panels[0];
    const format = formatter(panel.format, panel.signed);
    const changed = panel.series.filter((series) => series.values.some((value) => value));
    const hidden = Object.fromEntries(changed.map((series) => [plain(series.name), series.shown !== false || changed.every((other) => other.shown === false)]));
    const [names, above] = changed.length > 1
      ? legend(style, changed.map((series) => series.name), element.clientWidth, { selected: hidden }) : [undefined, 12];
    return [{
      ...base(chart, style),
      grid: { left: 8, right: 12, top: above, bottom: chart.x.values.length > 60 ? 48 : 8, containLabel: true },
      legend: names,
      dataZoom: chart.x.values.length > 60 ? [{ type: "slider", bottom: 4, height: 18 }] : undefined,
      xAxis: categories(style, chart.x, element.clientWidth - 60, { axisLine: { onZero: true, lineStyle: { color: style.quiet } } }),
      yAxis: values(style, panel.format),
      series: changed.map((series) => ({ type: "bar", stack: "all", name: plain(series.name), data: series.values, barMaxWidth: 40, itemStyle: { borderRadius: 2 } })),
      tooltip: tooltip(style, element, {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (points) => [axisText(chart.x, chart.x.values[points[0].dataIndex]),
          ...points.filter((point) => point.value).map((point) => `${point.seriesName}: ${format(point.value)}`)].join("\n"),
      }),
    }, 264 + above];
  }

  // Shares of views by quarter of the video.
  function curve(chart, style, element) {
    const [panel] = chart.panels;
    const [series] = panel.series;
    const format = formatter(panel.format);
    return [{
      ...base(chart, style),
      grid: { left: 8, right: 52, top: 24, bottom: 8, containLabel: true },
      xAxis: categories(style, chart.x, element.clientWidth - 90, { boundaryGap: false }),
      yAxis: values(style, panel.format, { max: 100, interval: 25 }),
      series: [{
        type: "line", name: plain(series.name), data: series.values, symbol: "circle", symbolSize: 7,
        itemStyle: { color: style.colours[0] }, lineStyle: { width: 2 }, areaStyle: { opacity: 0.08 },
        label: { show: true, position: "top", offset: [20, 0], color: style.text, formatter: (point) => (point.dataIndex ? format(point.value) : "") },
      }],
      tooltip: tooltip(style, element, {
        trigger: "axis",
        formatter: (points) => `${plain(chart.x.values[points[0].dataIndex])}: ${format(points[0].value)}`,
      }),
    }, 240];
  }

  const alpha = (share) => Math.round(255 * share).toString(16).padStart(2, "0");

  // One tile for each country; those without rows are empty.
  function map(chart, style, element) {
    const [panel] = chart.panels;
    const format = formatter(panel.format);
    const width = Math.max(...chart.tiles.map((tile) => tile.x)) + 1;
    const height = Math.max(...chart.tiles.map((tile) => tile.y)) + 1;
    const size = Math.min(26, Math.max(8, Math.floor((element.clientWidth - 8) / width)));
    const most = Math.max(...chart.tiles.map((tile) => tile.value || 0), Number.MIN_VALUE);
    const text = size >= 20;
    const axis = (count) => ({ type: "value", min: 0, max: count, show: false });
    const item = (tile) => {
      const share = given(tile.value) ? Math.max(0, tile.value) / most : 0;
      return {
        value: [tile.x + 0.5, tile.y + 0.5], tile,
        itemStyle: given(tile.value) ? { color: style.colours[0] + alpha(0.2 + 0.8 * share), opacity: 1 } : { color: "transparent", borderColor: style.line, borderWidth: 1 },
        label: { color: given(tile.value) ? (share > 0.4 ? style.ground : style.text) : style.quiet },
      };
    };
    return [{
      ...base(chart, style),
      grid: { left: "center", top: 4, width: size * width, height: size * height, outerBoundsMode: "none" },
      xAxis: axis(width),
      yAxis: { ...axis(height), inverse: true },
      series: [{
        type: "scatter", name: plain(panel.title), symbol: "roundRect", symbolSize: size - 2,
        data: chart.tiles.map(item),
        label: { show: text, fontSize: 10, formatter: (point) => point.data.tile.code },
      }],
      tooltip: tooltip(style, element, {
        trigger: "item",
        formatter: ({ data: { tile } }) => `${plain(tile.name)}\n${given(tile.value) ? `${plain(panel.title)}: ${format(tile.value)}` : phrase("No rows")}`,
      }),
    }, size * height + 8];
  }

  const KINDS = { map, line, bars, funnel: bars, columns, grouped: columns, heat, moves, curve, pacing: line };

  // -- drawing

  function draw(element) {
    const chart = JSON.parse(element.dataset.chart);
    if (!window.echarts || !KINDS[chart.kind]) {
      element.textContent = phrase("This browser cannot draw the chart. See the figures in the table.");
      return;
    }
    const [options, height] = KINDS[chart.kind](chart, look(), element);
    element.style.height = `${height}px`;
    element.classList.add("drawn");
    let canvas = window.echarts.getInstanceByDom(element);
    if (canvas && !element.querySelector("canvas")) {
      canvas.dispose();
      canvas = null;
    }
    canvas = canvas || window.echarts.init(element, null, { renderer: "canvas" });
    canvas.setOption(options, { notMerge: true });
    canvas.resize();
    if (!drawn.has(element)) {
      watch.observe(element);
      if (chart.x && chart.x.links) leads(element, canvas);
    }
    drawn.set(element, element.clientWidth);
  }

  // -- bars that lead one level down, by a click or by the keys

  const follow = (link) => { if (link) window.location.assign(link); };

  function leads(element, canvas) {
    const { x, panels } = JSON.parse(element.dataset.chart);
    const status = element.parentElement.querySelector("[data-chart-status]");
    const format = formatter(panels[0].format);
    let place = -1;
    canvas.getZr().on("click", (event) => {
      const point = [event.offsetX, event.offsetY];
      if (canvas.containPixel("grid", point)) follow(x.links[canvas.convertFromPixel({ seriesIndex: 0 }, point)[1]]);
    });
    canvas.getZr().on("mousemove", (event) => {
      const over = canvas.containPixel("grid", [event.offsetX, event.offsetY]);
      canvas.getZr().setCursorStyle(over ? "pointer" : "default");
    });
    element.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter" && place >= 0) follow(x.links[place]);
      if (!step) return;
      event.preventDefault();
      place = Math.min(x.links.length - 1, Math.max(0, place < 0 ? 0 : place + step));
      canvas.dispatchAction({ type: "downplay", seriesIndex: 0 });
      canvas.dispatchAction({ type: "highlight", seriesIndex: 0, dataIndex: place });
      status.textContent = `${x.values[place]}: ${format(panels[0].series[0].values[place])}`;
    });
    element.addEventListener("blur", () => {
      canvas.dispatchAction({ type: "downplay", seriesIndex: 0 });
      status.textContent = "";
      place = -1;
    });
  }

  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const canvas = window.echarts.getInstanceByDom(target);
      if (!target.isConnected) {
        watch.unobserve(target);
        drawn.delete(target);
        if (canvas) canvas.dispose();
      } else if (canvas && drawn.get(target) !== target.clientWidth) {
        // Another width breaks the names into other lines.
        draw(target);
      }
    }
  });

  function drawAll(root) {
    if (root.matches && root.matches("[data-chart]")) draw(root);
    for (const element of root.querySelectorAll ? root.querySelectorAll("[data-chart]") : []) draw(element);
  }

  new MutationObserver(() => [...drawn.keys()].filter((element) => element.isConnected).forEach(draw))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });

  document.addEventListener("change", (event) => {
    const chart = event.target.dataset && event.target.dataset.panelOf;
    if (chart) draw(document.getElementById(chart));
  });

  // A script that wrote data-chart by itself, and loaded ECharts, asks for the drawing.
  document.addEventListener("adreel:draw", (event) => draw(event.target));

  // Other charts in place of these are announced, those that the page opened with are not.
  let shown = null;
  let said = "";
  document.addEventListener("htmx:after:settle", () => {
    const cards = document.querySelector(".cards[data-shown]");
    const status = document.querySelector("[data-cards-status]");
    if (!cards || !status || cards === shown) return;
    const isSaid = cards.dataset.shown === said && document.activeElement.matches("[data-submit]");
    if (shown && !isSaid) status.textContent = cards.dataset.shown;
    said = cards.dataset.shown;
    shown = cards;
  });

  // The form that pins a chart is loaded when its menu is reached, so that it is there when the menu opens.
  // What came of it is a link at the chart, which has the focus.
  const wantForm = (event) => {
    const menu = event.target.closest?.(".pin-menu");
    const body = menu?.querySelector(".menu-body");
    if (!body || body.querySelector(".pin-form") || body.dataset.asked) return;
    body.dataset.asked = "yes";
    window.htmx.trigger(body, "pin-needed");
  };
  const enterForm = (menu) => {
    const form = menu.querySelector(".pin-form");
    if (!form || form.contains(document.activeElement)) return;
    form.scrollIntoView({ block: "nearest" });
    const field = form.querySelector("[aria-invalid]") ?? form.querySelector("[type=radio]:checked") ?? form.querySelector("[name=name]");
    field.focus({ preventScroll: true });
    // Another name replaces the one that is there.
    if (field.name === "name") field.select();
  };
  document.addEventListener("focusin", wantForm);
  document.addEventListener("pointerover", wantForm);
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.(".pin-menu[open]")) return;
    wantForm(event);
    enterForm(event.target);
  }, true);
  document.addEventListener("htmx:after:settle", (event) => {
    const body = event.target.closest?.(".pin-menu .menu-body");
    if (body) delete body.dataset.asked;
    const menu = document.querySelector(".pin-menu[open]");
    if (!menu) return;
    const done = menu.querySelector(".pin-done");
    if (!done) {
      enterForm(menu);
      return;
    }
    menu.closest(".chart-card").querySelector("[data-pin-said]").replaceChildren(done);
    // A dashboard may be new: no form has it yet.
    for (const form of document.querySelectorAll(".pin-form")) form.remove();
    menu.open = false;
    done.querySelector("a").focus();
  });

  if (window.htmx) window.htmx.onLoad(drawAll);
  // htmx does not wait for this script: on a slow connection it has already loaded the charts into the page.
  drawAll(document.body);
})();
