"""Numbers as people read them: bytes, seconds, dollars. GB (10⁹) and GiB (2³⁰) each say their own name."""

from __future__ import annotations


def gigabytes(size_bytes: float) -> str:
    """Decimal units, as disks, networks and card makers count: `2.31 GB`, `829 MB`, `3.7 kB`."""
    return _scaled(size_bytes, 1000, ("bytes", "kB", "MB", "GB", "TB"))


def gibibytes(size_bytes: float) -> str:
    """Binary units, as memory allocators count: `2.15 GiB`, `791 MiB`, `3.6 KiB`."""
    return _scaled(size_bytes, 1024, ("bytes", "KiB", "MiB", "GiB", "TiB"))


def _scaled(size_bytes: float, base: int, units: tuple[str, ...]) -> str:
    value, index = float(size_bytes), 0
    while index < len(units) - 1 and round(value) >= base:
        value, index = value / base, index + 1
    return f"{value:.{_decimals(value, index)}f} {units[index]}"


def _decimals(value: float, index: int) -> int:
    """Three figures or so; none for whole bytes."""
    if index == 0:
        return 0
    if index < 3:
        return 0 if value >= 10 else 1
    return 1 if value >= 100 else 2


def duration(seconds: float) -> str:
    """`0.4 s`, `37 s`, `12 min 05 s`, `2 h 05 min`, `3 d 04 h`, `9 h`: the two units that matter."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, "min", "s", 60)
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return _two(minutes, "h", "min", 60)
    return _two(round(seconds / 3600), "d", "h", 24)


def _two(count: int, large: str, small: str, per_large: int) -> str:
    rest = count % per_large
    return f"{count // per_large} {large}" + (f" {rest:02d} {small}" if rest else "")


def dollars(usd: float) -> str:
    """`$0.33`, `$1,234.50`; less than a cent is not nothing: `< $0.01`."""
    if 0 < usd < 0.005:
        return "< $0.01"
    return f"${usd:,.2f}"
