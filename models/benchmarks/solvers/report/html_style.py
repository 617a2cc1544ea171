"""The style of the HTML page: any width, light and dark, on paper."""

CSS = """
:root{color-scheme:light dark;--ink:#1c1e21;--faint:#5c636b;--paper:#fff;--line:#d5d9de;
--band:#f4f6f8;--link:#005a9c}
@media(prefers-color-scheme:dark){:root{--ink:#d6d9dd;--faint:#9aa2ab;--paper:#17191c;
--line:#3a3f45;--band:#202327;--link:#7cb8ea}}
*{box-sizing:border-box}
body{margin:0 auto;padding:0 1rem 3rem;max-width:92rem;color:var(--ink);background:var(--paper);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;line-height:1.2}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
h3{margin-top:2rem}
h1,h2,h3,li,p,dd,figcaption{overflow-wrap:anywhere}
p,li,dd,figcaption{max-width:48rem}
a{color:var(--link)}
nav ul{margin:.2rem 0;padding-left:1.1rem;list-style:none}
nav>ul{padding-left:0}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{scroll-margin-top:1rem}
.frame{overflow:auto;max-height:85vh;margin:1rem 0 .3rem}
.frame:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem .6rem .3rem 0}
th,td{padding:.25rem .55rem;text-align:left;vertical-align:top;white-space:nowrap;
border-bottom:1px solid var(--line)}
th{font-weight:inherit}
td:not(.n){white-space:normal;max-width:32rem;overflow-wrap:break-word}
thead th{font-weight:600;position:sticky;top:0;background:var(--paper);z-index:1}
.n{text-align:right}
tr>:first-child{position:sticky;left:0;background:var(--paper);padding-left:0}
thead tr>:first-child{z-index:2}
tbody tr:nth-child(even)>*{background:var(--band)}
figure{margin:1rem 0}
figure .frame{max-height:none}
img{display:block;max-width:none;background:var(--paper)}
figcaption,details{color:var(--faint);font-size:.9rem}
dt{float:left;clear:left;margin-right:.6rem;font-weight:600;color:var(--ink)}
dd{margin:0 0 .2rem}
@media(min-width:75rem){
body{display:grid;grid-template-columns:15rem minmax(0,1fr);column-gap:2.5rem}
h1{grid-column:2}
nav{grid-column:1;grid-row:1/3;position:sticky;top:0;max-height:100vh;overflow:auto;
padding:1.5rem 0;font-size:.9rem;align-self:start}
main{grid-column:2}
}
@media(max-width:40rem){
table,tbody,caption{display:block}
thead{display:none}
tbody tr{display:grid;grid-template-columns:1fr 1fr;gap:0 1rem;padding:.5rem .2rem;
border-bottom:1px solid var(--line)}
tbody tr:nth-child(even){background:var(--band)}
tbody th,tbody td,td:not(.n){border:0;padding:.1rem 0;white-space:normal;overflow-wrap:anywhere;
min-width:0;text-align:left;position:static;max-width:none}
tbody tr>*{background:none!important}
tbody tr>:first-child{grid-column:1/-1;font-weight:600}
tbody td:last-child:not(.n){grid-column:1/-1}
tbody tr>*::before{content:var(--of) " ";color:var(--faint);font-weight:400}
.n{text-align:left!important}
}
@media print{nav{display:none}.frame{max-height:none;overflow:visible}}
"""
