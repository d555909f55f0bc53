"""Steps recorded once and replayed: ``trainctl.compile``."""

from trainctl.plan.compiled import Compiled, NotReplayed, compile

__all__ = ["Compiled", "NotReplayed", "compile"]
