#!/usr/bin/env python3
"""Makes the dashboard one page, and that page a C++ header: TypeScript by esbuild, style and script inline.

  bundle.py --esbuild PROGRAM --output dashboard.h      an empty PROGRAM: the header says that there is no page
"""
import argparse
import base64
import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = """// Made by tools/dashboard/bundle.py.
#pragma once

namespace hakmem::tools {{

// "" when this build has none.
inline constexpr const char* kDashboard = R"page({page})page";
inline constexpr const char* kDashboardStyleHash = "{style}";
inline constexpr const char* kDashboardScriptHash = "{script}";

}}  // namespace hakmem::tools
"""


def esbuild(program, *arguments):
    """What it writes; its complaints go to stderr and end the build."""
    result = subprocess.run([program, *arguments, "--minify", "--charset=utf8", "--log-level=warning"], cwd=HERE,
                            stdout=subprocess.PIPE, check=False)
    if result.returncode != 0:
        sys.exit(f"bundle.py: {program} could not bundle the dashboard")
    return result.stdout.decode().strip()


def source_hash(text):
    """As a Content-Security-Policy names an inline style or script."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--esbuild", required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    page = style = script = ""
    if arguments.esbuild:
        style = esbuild(arguments.esbuild, "dashboard.css")
        script = esbuild(arguments.esbuild, "main.ts", "--bundle", "--format=iife", "--target=es2020")
        page = (HERE / "dashboard.html").read_text(encoding="utf-8")
        page = page.replace("@STYLE@", style).replace("@SCRIPT@", script)
    arguments.output.write_text(HEADER.format(page=page, style=source_hash(style), script=source_hash(script)),
                                encoding="utf-8")


if __name__ == "__main__":
    main()
