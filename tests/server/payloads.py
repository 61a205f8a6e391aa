"""Texts that run a script, or would end what they stand in, wherever a page took them for more than text.

Each that runs sets ``canary``. Knows the tricks; does not know where they are written.
"""

_RUN = "canary=1"

HTML = [
    f"<script>{_RUN}</script>",
    f"<ScRiPt>{_RUN}</sCrIpT>",
    f"<script >{_RUN}</script >",
    f"</script><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"</style><script>{_RUN}</script>",
    f"--><script>{_RUN}</script>",
    f"<script>{_RUN}//",
    f"<<script>{_RUN}</script>",
    "<script src=/canary.js></script>",
    "<script src=data:,canary=1></script>",
    "<script src=//canary.example></script>",
    f"<script type=module>window.{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f"<img src=x onerror='{_RUN}'>",
    f'"><img src=x onerror={_RUN}>',
    f"'><img src=x onerror={_RUN}>",
    "<img src=x onerror=window[`canary`]=1>",
    f"<img/src=x/onerror={_RUN}>",
    f"<IMG SRC=x ONERROR={_RUN}>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<math><mi xlink:href=javascript:{_RUN}>x</mi></math>",
    f"<body onload={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<details open ontoggle={_RUN}>x</details>",
    f"<video><source onerror={_RUN}></video>",
    f"<audio src=x onerror={_RUN}>",
    f"<object data=javascript:{_RUN}>",
    f"<embed src=javascript:{_RUN}>",
    f"<iframe src=javascript:parent.{_RUN}></iframe>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'></iframe>",
    "<base href=//canary.example/>",
    "<meta http-equiv=refresh content=0;url=/canary>",
    "<link rel=stylesheet href=/canary.css>",
    "<style>body{background:url(/canary.png)}</style>",
    f"<a href=javascript:{_RUN}>x</a>",
    f"<form action=javascript:{_RUN}><button autofocus>x</button></form>",
    f"<div style=width:1px onpointerover={_RUN}>x</div>",
    f"<marquee onstart={_RUN}>x</marquee>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'>",
    f"<template><script>{_RUN}</script></template>",
    f"<isindex type=image src=x onerror={_RUN}>",
]
ATTRIBUTES = [
    f'" onfocus={_RUN} autofocus x="',
    f"' onfocus={_RUN} autofocus x='",
    f"x onerror={_RUN}",
    f'" onmouseover="{_RUN}',
    f"javascript:{_RUN}",
    f"JaVaScRiPt:{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    f"&lt;script&gt;{_RUN}&lt;/script&gt;",
    f"&#60;script&#62;{_RUN}&#60;/script&#62;",
    f"\\u003cscript\\u003e{_RUN}\\u003c/script\\u003e",
]
TEMPLATES = [
    "{{ 7*191 }}",
    "{% for x in (7,) %}{{ x*191 }}{% endfor %}",
    "${7*191}",
    "#{7*191}",
    "<%= 7*191 %>",
    "{{ config.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
]
MARKDOWN = [
    f"[x](javascript:{_RUN})",
    f"[x](JAVASCRIPT:{_RUN})",
    f'![x](x"onerror="{_RUN})',
    f"<javascript:{_RUN}>",
    f"[x]: javascript:{_RUN}",
    "[x](data:text/html;base64,PHNjcmlwdD5jYW5hcnk9MTwvc2NyaXB0Pg==)",
]
PAYLOADS = [*HTML, *ATTRIBUTES, *TEMPLATES]
COMPUTED = "1337"
"""What a template that ran would show."""
