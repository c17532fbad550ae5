#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ab_files.py program|osu JSON CSV SVG: what `vmonecopy ab` wrote is well formed, and the three say the same."""
import csv
import json
import sys
import xml.etree.ElementTree as tree

SVG = "{http://www.w3.org/2000/svg}"


def same(value, cell):
    """A JSON value and a CSV cell."""
    return cell == "" if value is None else cell == value if isinstance(value, str) else float(cell) == float(value)


def compare_tables(rows, path):
    """Row by row, cell by cell."""
    with open(path, newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(rows) > 0, (len(cells), len(rows))
    for row, line in zip(rows, cells):
        for name, cell in line.items():
            assert same(row[name], cell), (name, row[name], cell)


def drawn(path):
    """(marks, words) of the picture."""
    root = tree.parse(path).getroot()
    assert root.tag == SVG + "svg" and float(root.get("width")) > 0 and float(root.get("height")) > 0
    marks = [element for name in ("circle", "polygon") for element in root.iter(SVG + name)]
    return len(marks), [element.text for element in root.iter(SVG + "text")]


def check_program(document, path):
    """A mark for each run and each ratio; the verdict in words."""
    ratios = [pair["ratio"] for pair in document["pairs"] if pair["ratio"]]
    marks, words = drawn(path)
    assert marks == 2 * len(document["pairs"]) + len(ratios), marks
    assert " ".join(document["sentence"].split()[:3]) in " ".join(words), words
    if ratios:
        assert f"median {document['ratio']['median']:.2f}" in words, words
        for pair in document["pairs"]:
            assert abs(pair["ratio"] - pair["without_s"] / pair["with_s"]) < 0.01 * pair["ratio"], pair
        assert min(ratios) <= document["ratio"]["low"] <= document["ratio"]["median"] <= document["ratio"]["high"] <= max(ratios)


def check_osu(document, path):
    """A mark for each side of each group's first test, and for each ratio."""
    groups = {"latency": 0, "multi_lat": 0, "bw": 1, "bibw": 1, "mbw_mr": 1}
    marks, words = drawn(path)
    first, expected = {}, 0
    for row in document["rows"]:
        key = (row["mpi"], groups.get(row["test"], 2))
        first.setdefault(key, (row["test"], row["buffers"]))
        expected += 2 * (first[key] == (row["test"], row["buffers"])) + (row["ratio"] is not None)
        label = row["test"] if key[1] == 2 else f"{row['test']}, {row['buffers']}"
        assert row["ratio"] is None or label in words, (label, words)
        for side in ("without", "with"):
            samples = row[side + "_samples"]
            assert min(samples) - 1e-3 <= row[side] <= max(samples) + 1e-3, row
    assert marks == expected, (marks, expected)


def main():
    kind, json_path, csv_path, svg_path = sys.argv[1:]
    with open(json_path, encoding="utf-8") as file:
        document = json.load(file)
    assert document["kind"] == kind and document["schema"] == 1
    compare_tables(document["pairs" if kind == "program" else "rows"], csv_path)
    {"program": check_program, "osu": check_osu}[kind](document, svg_path)
    emulated = any("EMULATED" in (words or "") for words in drawn(svg_path)[1])
    assert emulated == document["emulated"], (emulated, document["emulated"])


main()
