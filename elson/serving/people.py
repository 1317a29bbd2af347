"""The sign-ins made for this installation: kept in a file only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

DEMO_EMAIL = "demo@elson.local"
STAFF_EMAIL = "staff@elson.local"


def sign_ins_path(state_dir: Path) -> Path:
    """Where the passwords of the demo and staff users are kept."""
    return state_dir / "sign-ins.json"


def sign_ins_read(state_dir: Path) -> dict[str, str]:
    """Return e-mail → password of the people made here; empty when there are none."""
    try:
        found = json.loads(sign_ins_path(state_dir).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(email): str(password) for email, password in found.items()}


def sign_in_password(state_dir: Path, email: str) -> str:
    """Return this installation's password for a demo person, made at the first call."""
    known = sign_ins_read(state_dir)
    if email not in known:
        known[email] = secrets.token_urlsafe(12)
        path = sign_ins_path(state_dir)
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump(known, handle, indent=1)
        part.replace(path)
    return known[email]


def sign_in_lines(state_dir: Path, address: str) -> list[str]:
    """Lines for the terminal that say how to sign in."""
    known = sign_ins_read(state_dir)
    lines = []
    if DEMO_EMAIL in known:
        lines.append(f"demo      {DEMO_EMAIL}  {known[DEMO_EMAIL]}")
    if STAFF_EMAIL in known:
        lines.append(f"staff     {STAFF_EMAIL}  {known[STAFF_EMAIL]}  {address}/staff/")
    return lines
