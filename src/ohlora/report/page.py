"""Results -> one HTML page: styles, scripts and pictures inside, nothing fetched; readable without script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from ohlora.report.drawing import shared_x, svg, y_range
from ohlora.report.results import Chart, Fault, Figure, Result, Table
from ohlora.text import printable

LONG, WHOLE_LINE = 40, 30  # letters of a wide cell, and of a fact that takes a line of its own
SMALL = 160  # pixels a side of a picture that is shown larger


def page(
    sections: Mapping[str, Sequence[Result]],
    made_by: Mapping[str, Result],
    faults: Sequence[Fault],
    about: str,
    most: int,
) -> str:
    """`made_by`: results by the digests of what they have made, for links to what others were made from."""
    charts: list[dict[str, Any]] = []
    ids = {id(one): f"r{n}" for n, one in enumerate(r for some in sections.values() for r in some)}
    links = {digest: (ids[id(one)], one) for digest, one in made_by.items() if id(one) in ids}
    body, entries = [], []
    for title, results in sections.items():
        anchor = title.lower().replace(" ", "-").replace(":", "")
        entries.append(f'<li><a href="#{anchor}">{escape(title)} ({len(results)})</a></li>')
        body.append(f'<section><h2 id="{anchor}">{escape(title)}</h2>')
        if len(results) > 1:
            body.append(overview(results, ids, most))
        body += [article(one, ids[id(one)], links, charts) for one in results[:most]]
        body.append("</section>")
    body += map(not_read, faults)
    style = asset("ohlora.web", "page", "vendor", "uPlot.css") + asset("ohlora.report", "page", "report.css")
    licence = asset("ohlora.web", "page", "vendor", "LICENSE-uPlot.txt")
    script = (
        f"/*\n{licence}*/\n"
        + asset("ohlora.web", "page", "vendor", "uPlot.js").replace("export { uPlot as default };", "")
        + asset("ohlora.report", "page", "report.js")
    )
    data = json.dumps(charts, allow_nan=False).replace("<", "\\u003c")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>ohlora: report</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Oh-LoRA: report</h1>
<p class="soft">{escape(about)}</p>
<nav aria-label="kinds of results"><ul>{"".join(entries)}</ul></nav>
</header>
<main>
{"".join(body)}
</main>
<footer><p>Macro-F1 is from 0 to 1. python -m ohlora report DIR... writes this page.</p></footer>
<script type="application/json" id="charts">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def asset(package: str, *names: str) -> str:
    return files(package).joinpath(*names).read_text(encoding="utf-8")


def text(value: Any) -> str:
    return escape(printable(value, 2000))


def overview(results: Sequence[Result], ids: Mapping[int, str], most: int) -> str:
    """A row a result; those that are shown whole are links."""
    columns = ["", *dict.fromkeys(name for one in results for name in one.summary)]
    rows = []
    for number, one in enumerate(results):
        place = one.folder.name
        name = f'<a href="#{ids[id(one)]}">{text(place)}</a>' if number < most else text(place)
        cells = "".join(cell(one.summary.get(column)) for column in columns[1:])
        rows.append(f"<tr><td>{name}</td>{cells}</tr>")
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    note = f'<p class="soft">The newest {most} are shown below.</p>' if len(results) > most else ""
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>{note}'


def article(
    one: Result, anchor: str, links: Mapping[str, tuple[str, Result]], charts: list[dict[str, Any]]
) -> str:
    facts = {name: value for name, value in {**one.summary, **one.facts}.items() if value not in (None, "")}
    parts = [
        f'<article id="{anchor}"><h3>{text(one.title)}</h3>',
        f'<p class="soft">{text(one.folder)}</p>',
        made_from(one, links),
        f"<dl>{''.join(fact(name, value) for name, value in facts.items())}</dl>",
    ]
    if one.notes:
        parts.append(f"<ul>{''.join(f'<li>{text(note)}</li>' for note in one.notes)}</ul>")
    plots = [plotted(chart, charts) for chart in one.charts if any(chart.lines.values())]
    plots += [picture(figure) for figure in one.figures]
    if plots:
        parts.append(f'<div class="plots">{"".join(plots)}</div>')
    parts += map(table, one.tables)
    return "".join([*parts, "</article>"])


def made_from(one: Result, links: Mapping[str, tuple[str, Result]]) -> str:
    """What a result was made from: links where the page has what made it, else its name and digest."""
    said = []
    for asset in one.inputs:
        name = f"{text(asset['name'])} <code>{text(asset['sha256'][:12])}</code>"
        anchor, maker = links.get(asset["sha256"], ("", None))
        said.append(name if maker is None or maker is one else f'<a href="#{anchor}">{name}</a>')
    return f'<p class="soft">made from {", ".join(said)}</p>' if said else ""


def fact(name: str, value: Any) -> str:
    said = shown(value)
    kind = ' class="long"' if len(said) + len(name) > WHOLE_LINE else ""
    return f"<div{kind}><dt>{text(name)}</dt><dd>{text(said)}</dd></div>"


def plotted(chart: Chart, charts: list[dict[str, Any]]) -> str:
    lines = {name: line for name, line in chart.lines.items() if line}
    charts.append(
        {
            "x": chart.x,
            "names": list(lines),
            "columns": shared_x(list(lines.values())),
            "dots": chart.dots,
            "y": y_range(chart),
            "log_x": chart.log_x,
        }
    )
    legend = "".join(f'<li class="c{n % 8}"><i></i>{text(name)}</li>' for n, name in enumerate(lines))
    return (
        f'<figure class="chart" data-chart="{len(charts) - 1}"><figcaption>{text(chart.title)}</figcaption>'
        f'<ul class="legend">{legend}</ul><div class="plot">{svg(chart)}</div></figure>'
    )


def not_read(fault: Fault) -> str:
    return f'<p class="problem">not read: {text(fault.path)}: {text(fault.why)}</p>'


def picture(figure: Figure) -> str:
    from PIL import Image

    try:
        with Image.open(figure.path) as opened:
            width, height = opened.size
        data = base64.b64encode(figure.path.read_bytes()).decode()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return not_read(Fault(figure.path, f"{type(error).__name__}: {error}"))
    pixels = ' class="pixels"' if max(width, height) <= SMALL else ""
    return (
        f"<figure><figcaption>{text(figure.title)}</figcaption>"
        f'<img{pixels} src="data:image/png;base64,{data}" width="{width}" height="{height}"'
        f' alt="{text(figure.title)}" loading="lazy"></figure>'
    )


def table(one: Table) -> str:
    head = "".join(f"<th>{text(column)}</th>" for column in one.columns)
    rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in one.rows)
    return f'<h4>{text(one.title)}</h4><div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def cell(value: Any) -> str:
    said = shown(value)
    kind = "number" if isinstance(value, int | float) else "long" if len(said) > LONG else ""
    return f'<td class="{kind}">{text(said)}</td>' if kind else f"<td>{text(said)}</td>"


def shown(value: Any) -> str:
    """A value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        return rounded(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.3f}" if 0.1 <= abs(value) < 100 else f"{value:.3g}"
    return str(value)


def rounded(said: str) -> str:
    """A number out of a CSV file as others are shown; any other text as it is."""
    if "." not in said and "e" not in said:
        return said
    try:
        return shown(float(said))
    except ValueError:
        return said
