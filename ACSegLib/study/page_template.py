"""The page of a study report (Jinja2). Everything is inline: no script, no font, no picture from elsewhere."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ report.title }}</title>
<style>
:root { --ink: #1c1f24; --muted: #6b7280; --line: #d8dce2; --tint: #f4f6f8; --accent: #0072b2; --alert: #fff4ec; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: var(--ink); margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 38px 0 10px; padding-top: 12px; border-top: 2px solid var(--ink); }
h3 { font-size: 15px; margin: 20px 0 6px; }
p { max-width: 80ch; margin: 6px 0 10px; }
.muted { color: var(--muted); font-size: 13px; }
nav { font-size: 13px; margin: 14px 0; }
nav a { color: var(--accent); margin-right: 16px; }
.facts { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.fact { background: var(--tint); border-radius: 6px; padding: 10px 16px; min-width: 150px; }
.fact b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.fact span { font-size: 12.5px; color: var(--muted); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: right; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); padding: 4px 7px; }
td { text-align: right; border-bottom: 1px solid var(--line); padding: 3px 7px; white-space: nowrap; }
th.text, td.text { text-align: left; white-space: normal; }
td.name { text-align: left; }
th small { font-weight: normal; color: var(--muted); display: block; }
tbody tr:hover { background: var(--tint); }
.figures { display: flex; flex-wrap: wrap; gap: 18px; align-items: flex-start; }
figure { margin: 8px 0; max-width: 100%; }
figure svg, figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: 12.5px; color: var(--muted); max-width: 90ch; }
.plot figcaption { width: 0; min-width: 100%; } /* as wide as the plot, however long the text is */
.failures { background: var(--alert); border-left: 4px solid #d55e00; padding: 8px 14px; font-size: 13px; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --muted: #a0a8b4; --line: #3a414b; --tint: #23282f; --accent: #6cb8e6; --alert: #3a2a1e; }
  body { background: #14171b; }
  figure svg, figure img { background: #fff; border-radius: 6px; padding: 6px; }
}
@page { size: A4; margin: 14mm; }
@media print {
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; } nav { display: none; }
  figure img { max-height: 112mm; width: auto; } figure svg { max-width: 86mm; }
  figure, .fact, tr, p { break-inside: avoid; } h2, h3, section > p { break-after: avoid; }
  .short { break-inside: avoid; } .table > p, .methods > p { break-after: auto; }
  table { font-size: 8pt; } th, td { padding: 2px 5px; } .wide { overflow: visible; }
  .wide.large table { font-size: 6.2pt; } .wide.large th, .wide.large td { padding: 1px 3px; }
}
</style>
</head>
<body>
<main>
<h1>{{ report.title }}</h1>
<p class="muted">{{ report.subtitle }}</p>
<nav>{% for section in report.sections %}<a href="#s{{ loop.index }}">{{ section.title }}</a>{% endfor %}</nav>
{% if report.facts %}
<div class="facts">
{% for fact in report.facts %}<div class="fact"><b>{{ fact[0]|minus }}</b><span>{{ fact[1] }}</span></div>{% endfor %}
</div>
{% endif %}
{% if report.failures %}
<div class="failures"><b>Not in this report:</b><ul>
{% for name, why in report.failures.items() %}<li>{{ name }}: {{ why }}</li>{% endfor %}</ul></div>
{% endif %}
{% macro show(table) %}
<div class="table{% if not table.is_long %} short{% endif %}">
{% if table.caption %}<h3>{{ table.caption }}</h3>{% endif %}
<div class="wide{% if table.columns|length > 9 %} large{% endif %}"><table>
<thead><tr>{% for c in table.columns %}<th class="{{ 'text' if c.text }}">{{ c.label }}
{% if c.unit %}<small>{{ c.unit }}</small>{% endif %}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.cells %}<tr>{% for cell in row %}
{% if table.columns[loop.index0].text %}<td class="{{ 'name' if cell|length < 20 else 'text' }}">{{ cell }}
{%- else %}<td>{{ cell|minus }}{% endif %}</td>
{% endfor %}</tr>{% endfor %}
</tbody></table></div>
{% if table.note %}<p class="muted">{{ table.note }}</p>{% endif %}
</div>
{% endmacro %}
{% for section in report.sections %}
<section id="s{{ loop.index }}"{% if not section.tables %} class="methods"{% endif %}>
<h2>{{ section.title }}</h2>
{% for text in section.texts %}<p>{{ text }}</p>{% endfor %}
{% for table in section.tables if not table.is_long %}{{ show(table) }}{% endfor %}
{% if section.figures %}<div class="figures">
{% for figure in section.figures %}
<figure{% if figure.plot %} class="plot"{% endif %}>{% if figure.plot %}{{ figure.plot.svg()|safe }}{% else %}
<img alt="{{ figure.caption }}" src="data:image/png;base64,{{ figure.base64 }}">{% endif %}
<figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}
</div>{% endif %}
{% for table in section.tables if table.is_long %}{{ show(table) }}{% endfor %}
</section>
{% endfor %}
</main>
</body>
</html>
"""
