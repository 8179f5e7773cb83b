"""The number of cases is said at the end: a row that was lost would not be noticed otherwise."""


def pytest_terminal_summary(terminalreporter):
    found = terminalreporter.stats
    cases = [
        report for kind in ("passed", "failed") for report in found.get(kind, []) if "reliability" in report.nodeid
    ]
    if cases:
        terminalreporter.write_line(f"reliability: {len(cases)} cases")
