"""The page's frame: its style sheet, and the policy that lets nothing but this style sheet in."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from batchdrop.report.markup import Html, el, join

_CSS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--dim:#566272;--line:#dce1e8;--soft:#eef1f5;
--link:#0b57b0;--good:#1a7a43;--good-bg:#e3f4ea;--mixed:#8a5a00;--mixed-bg:#fdf1d8;--bad:#b3261e;--bad-bg:#fdeae8;
--accepted:#2f9e63;--invalid:#bf8300;--rejected:#c8382e;--unprocessed:#8793a3;--unconfirmed:#7a55c7;
--phase:#2f6fc4;--phase2:#0f3f80;--wait:#7692bd;--hatch:rgba(255,255,255,.6)}
@media (prefers-color-scheme:dark){:root{--bg:#11161d;--card:#1a212b;--ink:#e6ebf2;--dim:#a0adbd;--line:#323d4b;
--soft:#232c38;--link:#82b7ff;--good:#6fd39b;--good-bg:#15362a;--mixed:#f0c060;--mixed-bg:#3a2e12;--bad:#ff9d94;
--bad-bg:#43201f;--accepted:#3fae74;--invalid:#d9a02a;--rejected:#e5655b;--unprocessed:#8793a3;--unconfirmed:#a388e6;
--phase:#5b97e6;--phase2:#b5d2fb;--wait:#5a759c;--hatch:rgba(0,0,0,.5)}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
header,main,footer{max-width:70rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:clamp(1.3rem,1rem + 1.6vw,1.9rem);line-height:1.25;margin:.6rem 0}
h3{font-size:1rem;margin:1rem 0 .4rem}
h2{font-size:1.15rem;margin:0 0 .75rem}
p,ul,ol{margin:.5rem 0}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:1rem 0}
a{color:var(--link)}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--soft);
padding:.1em .35em;border-radius:4px}
.dim,.meaning,.note,footer{color:var(--dim)}
.dim,.meaning,.note,footer,.legend{font-size:.9rem}
.meaning{display:block;font-weight:400;margin-left:1.5rem}
.slim{max-width:40rem}
footer{padding-bottom:2rem}
.badge{display:inline-block;font-weight:600;padding:.15rem .65rem;border-radius:1rem;border:1px solid}
.badge.good{color:var(--good);background:var(--good-bg)}
.badge.mixed{color:var(--mixed);background:var(--mixed-bg)}
.badge.bad{color:var(--bad);background:var(--bad-bg)}
.next li{margin:.35rem 0}
.warn{border-color:var(--mixed)}
table{border-collapse:collapse;width:100%;font-size:.94rem}
caption{text-align:left;color:var(--dim);padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--dim);font-weight:600;font-size:.85rem}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.w{min-width:11rem}.s{min-width:7.4rem}
thead th{overflow-wrap:normal}
tfoot>tr>*{border-top:2px solid var(--line);border-bottom:0;font-weight:600}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) minmax(0,1fr);gap:.3rem 1rem;margin:0}
dt{color:var(--dim)}dd{margin:0}
.receipt,.note{display:block}
.scroll{overflow-x:auto}
svg{display:block}
.bar{width:100%;height:2.2rem;border-radius:6px;margin-bottom:.8rem}
.mini{width:100%;min-width:4rem;height:.55rem;margin-top:.45rem}
.swatch{display:inline-block;width:1rem;height:1rem;border-radius:3px;vertical-align:-.15rem;margin-right:.5rem}
.track{fill:var(--soft)}
.accepted,.good{fill:var(--accepted)}.invalid,.mixed{fill:var(--invalid)}.rejected,.bad{fill:var(--rejected)}
.unprocessed,.open{fill:var(--unprocessed)}.unconfirmed{fill:var(--unconfirmed)}
.packaging,.collection{fill:var(--phase);stroke:var(--phase)}
.submission{fill:var(--phase2);stroke:var(--phase2)}
.waiting{fill:var(--wait);stroke:var(--wait)}
.callback{fill:var(--mixed);stroke:var(--mixed)}
.hatch{stroke:var(--hatch);stroke-width:2;fill:none}
.dots{fill:var(--hatch)}
.grid{stroke:var(--line)}
.chart text{fill:var(--dim);font-size:12px}
.chart{width:100%;overflow:visible}
.gutter{padding:0 1.6rem 0 2.6rem;margin:.4rem 0 .8rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.2rem;padding:0;list-style:none}
details{margin-top:.6rem}summary{cursor:pointer;color:var(--link)}
@media (max-width:44rem){
.cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.cards,.cards tbody,.cards tr,.cards tfoot{display:block}
.cards tr{padding:.5rem 0;border-bottom:1px solid var(--line)}
.cards tbody tr:last-child,.cards tfoot tr:last-child{border-bottom:0}
.cards th,.cards td{display:grid;grid-template-columns:6rem minmax(0,1fr);gap:.5rem;border:0;padding:.12rem 0;
text-align:left;font-weight:400;white-space:normal}
.cards [data-name]::before{content:attr(data-name);color:var(--dim);font-family:system-ui,sans-serif;font-size:.85rem}
.cards caption{display:block}
.cards .none{display:none}
.cards .w,.cards .s{min-width:0}
dl{grid-template-columns:minmax(0,1fr);gap:0}dd{margin-bottom:.5rem}
section{padding:.9rem .85rem}header,main,footer{padding-left:.75rem;padding-right:.75rem}
}
@media print{:root{--bg:#fff;--card:#fff}body{font-size:10pt}section{break-inside:auto;border-color:#bbb}
h2,tr{break-after:avoid;break-inside:avoid}svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

# Inline styles and scripts are refused too: only the sheet with this digest applies.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_CSS.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)


def page(title: str, header: Html, sections: list[Html | None], footer: Html) -> bytes:
    """A whole document, UTF-8. It needs nothing from outside and may run nothing."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="robots", content="noindex"),
        el("title", title),
        el("style", Html(_CSS)),
    )
    body = el("body", el("header", header), el("main", *sections), el("footer", footer))
    return join(Html("<!doctype html>\n"), el("html", head, body, lang="en"), Html("\n")).encode()
