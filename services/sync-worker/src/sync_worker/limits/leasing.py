"""The lease as one update of the database: expressions that compute what `budget.leased` does, on the server's clock.

The line's and the family's rate and gate are judged and changed in the same operation, so no two processes ever lease
the same permit, and a permit of a family is always one of its line too.
"""

from typing import Any, Final

from sync_worker.limits.breaker import CALLS_KEPT, CLIENTS_KEPT, Rules, Seen
from sync_worker.limits.budget import CLEAN_MS, FAMILIES_KEPT, HORIZON_MS, RECOVERY, SLOT_MS, LineRate

Expression = Any
NOW: Final = "$$NOW"
_LINE: Final = ""


def lease_update(
    family: str, n: int, seen: Seen, *, profile: LineRate, rules: Rules, now: Expression = NOW
) -> list[dict[str, Any]]:
    """The stages: defaults, what is granted, then what that changes."""
    own = f"families.{family}."
    usual = {"rate": profile.rate_per_s, "rate_max": profile.rate_per_s, "burst": profile.burst}
    defaults = {name: _or(f"${name}", value) for name, value in {**usual, "tat": _ms(now), "clean_at": now}.items()}
    defaults |= {"name": {"$literal": profile.name}, "simulated": profile.simulated}
    defaults |= {f"families.{family}": _or(f"$families.{family}", {})}
    stages = [{"$set": defaults}, {"$set": {"got": _got(own, n, now)}}, {"$set": {"got.n": _granted(family, now)}}]
    changes: dict[str, Expression] = {}
    for path in (_LINE, own):
        changes |= _moved(path, now) | _probing(path, rules, now)
        if seen.n:
            erring = family if seen.err and path == _LINE else None
            changes[f"{path}win"] = _added(f"${path}win", seen, erring, rules, now)
    return [*stages, {"$set": changes}]


def _got(own: str, n: int, now: Expression) -> Expression:
    """How many are asked for (`n`), when they may start, how long a slot is; before it is known whether they may."""
    is_probe = {"$or": [_is_set("$reason"), _is_set(f"${own}reason")]}
    at_once = {"$min": [n, {"$floor": _at_once(_LINE)}, {"$floor": _at_once(own)}]}
    ask = {"$cond": [is_probe, min(n, 1), at_once]}
    own_start = {"$cond": [_is_set(f"${own}rate"), _start(own, "$$ask"), _ms(now)]}
    return {
        "$let": {
            "vars": {"ask": ask},
            "in": {
                "n": "$$ask",
                "at": now,
                "start": {"$max": [_ms(now), _start(_LINE, "$$ask"), own_start]},
                "slot": {"$min": [_slot(_LINE), _slot(own)]},
            },
        }
    }


def _granted(family: str, now: Expression) -> Expression:
    shut = [{"$gt": [_or(f"${path}closed_until", now), now]} for path in (_LINE, f"families.{family}.")]
    in_force = {
        "$and": [
            {"$lte": ["$$window.from", now]},
            {"$lt": [now, "$$window.to"]},
            {"$in": [_or("$$window.family", None), [None, family]]},
        ]
    }
    windows = {"$anyElementTrue": [{"$map": {"input": _or("$windows", []), "as": "window", "in": in_force}}]}
    late = {"$gt": ["$got.start", {"$add": [_ms(now), HORIZON_MS]}]}
    return {"$cond": [{"$or": [*shut, windows, late]}, 0, "$got.n"]}


def _moved(path: str, now: Expression) -> dict[str, Expression]:
    """The arrival time after the lease, and a rate that recovers with each clean second; a family without a rate of its
    own has neither."""
    rate, most = f"${path}rate", _or(f"${path}rate_max", "$rate_max")
    moves = {"$and": [{"$gt": ["$got.n", 0]}, _is_set(rate)]}
    arrival = {"$add": [{"$max": [_tat(path), "$got.start"]}, _cost("$got.n", rate)]}
    clean = {"$lt": [f"${path}clean_at", {"$subtract": [now, CLEAN_MS]}]}
    recovers = {"$and": [moves, {"$lt": [rate, most]}, clean]}
    return {
        f"{path}tat": {"$cond": [moves, arrival, _or(f"${path}tat", "$$REMOVE")]},
        f"{path}rate": {"$cond": [recovers, {"$min": [{"$multiply": [rate, RECOVERY]}, most]}, _or(rate, "$$REMOVE")]},
        f"{path}clean_at": {"$cond": [recovers, now, _or(f"${path}clean_at", "$$REMOVE")]},
    }


def _probing(path: str, rules: Rules, now: Expression) -> dict[str, Expression]:
    """A half-open gate is closed to others until the probe has had its time."""
    probe = {"$and": [{"$gt": ["$got.n", 0]}, _is_set(f"${path}reason")]}
    held = {"$add": [now, rules.probe_ms]}
    return {f"{path}closed_until": {"$cond": [probe, held, _or(f"${path}closed_until", "$$REMOVE")]}}


def _added(win: str, seen: Seen, erring: str | None, rules: Rules, now: Expression) -> Expression:
    fresh = {"$gt": [f"{win}.at", {"$subtract": [now, rules.window_ms]}]}
    part = {"$cond": [{"$gt": [f"{win}.n", CALLS_KEPT]}, 0.5, 1.0]}

    def grown(name: str, more: int) -> Expression:
        return {"$cond": [fresh, {"$add": [{"$multiply": [f"{win}.{name}", part]}, more]}, more]}

    def joined(name: str, more: list[str], most: int) -> Expression:
        union = {"$setUnion": [{"$cond": [fresh, f"{win}.{name}", []]}, more]}
        return {"$slice": [{"$sortArray": {"input": union, "sortBy": 1}}, most]}

    return {
        "at": {"$cond": [fresh, f"{win}.at", now]},
        "n": grown("n", seen.n),
        "err": grown("err", seen.err),
        "clients": joined("clients", list(seen.clients), CLIENTS_KEPT),
        "families": joined("families", [] if erring is None else [erring], FAMILIES_KEPT),
    }


def _at_once(path: str) -> Expression:
    burst = _burst(path)
    added = {"$multiply": [_or(f"${path}rate", "$rate"), SLOT_MS / 1000]}
    return {"$max": [1.0, {"$subtract": [burst, added]}, {"$divide": [burst, 2]}]}


def _burst(path: str) -> Expression:
    rate = f"${path}rate"
    part = {"$multiply": ["$burst", {"$min": [1.0, {"$divide": [rate, "$rate_max"]}]}]}
    return {"$cond": [_is_set(rate), _or(f"${path}burst", {"$max": [1.0, part]}), "$burst"]}


def _slot(path: str) -> Expression:
    burst, rate = _burst(path), _or(f"${path}rate", "$rate")
    return {"$min": [SLOT_MS, {"$divide": [{"$multiply": [500, burst]}, rate]}]}


def _start(path: str, ask: Expression) -> Expression:
    tolerance = _cost({"$subtract": [_at_once(path), ask]}, f"${path}rate")
    return {"$subtract": [_tat(path), tolerance]}


def _tat(path: str) -> Expression:
    """In ms; a document of the first version holds a date."""
    return {"$toDouble": _or(f"${path}tat", 0.0)}


def _cost(n: Expression, rate: Expression) -> Expression:
    return {"$divide": [{"$multiply": [n, 1000.0]}, rate]}


def _or(path: str, value: Expression) -> Expression:
    return {"$ifNull": [path, value]}


def _is_set(path: str) -> Expression:
    return {"$ne": [_or(path, None), None]}


def _ms(moment: Expression) -> Expression:
    return {"$toDouble": {"$toLong": moment}}
