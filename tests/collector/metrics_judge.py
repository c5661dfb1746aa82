"""Reads a page of metrics from standard input as Prometheus's own client does.

Prints `NAME{LABEL="VALUE"} VALUE` of every sample, sorted; exits 1 and says why when the page is
wrong: it does not parse, a family has no type or help or stands there twice, a counter's name does
not end in _total, a name of sluice does not begin with sluice_. Exits 77 where the client is not
installed.
"""

import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)


def main():
    seen, lines = set(), []
    text = sys.stdin.read()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            if name in seen:
                sys.exit(f"{name} stands there twice")
            seen.add(name)
            if (kind == "counter") != name.endswith("_total"):
                sys.exit(f"{name} is a {kind}")
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("sluice_"):
            sys.exit(f"{family.name} does not begin with sluice_")
        if family.type == "unknown" or not family.documentation:
            sys.exit(f"{family.name} has no type or no help")
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
            lines.append(f"{sample.name}{{{labels}}} {sample.value:g}")
    if not lines or not text.endswith("\n"):
        sys.exit("no samples, or no newline at the end")
    print("\n".join(sorted(lines)))


main()
