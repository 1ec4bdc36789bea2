#!/usr/bin/env python3
"""The statistics of `hakmem bench compare` against scipy's. Exits 77 (skipped) where scipy is missing."""
import argparse
import json
import random
import subprocess
import sys
import unittest

try:
    import numpy
    from scipy import stats
except ImportError:
    print("python3-scipy is not there: scripts/install_packages test", file=sys.stderr)
    sys.exit(77)

ARGUMENTS = argparse.Namespace()


def ask(lines):
    text = "".join(" ".join([what, *map(repr, values)]) + "\n" for what, values in lines)
    done = subprocess.run([ARGUMENTS.probe], input=text, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def samples():
    """Every size to 70, smooth and skewed, some with ties and with values equal to the centre."""
    draw = random.Random(3)
    for size in range(1, 71):
        yield [draw.gauss(1.01, 0.03) for _ in range(size)]
        yield [draw.lognormvariate(0.1, 0.5) for _ in range(size)]
        yield [round(draw.gauss(1.0, 0.05), 1) for _ in range(size)]
    yield [draw.gauss(1.001, 0.02) for _ in range(1000)]


class StatisticsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.samples = list(samples())
        cls.answers = ask([("sample", sample) for sample in cls.samples])

    def each(self):
        return zip(self.samples, self.answers, strict=True)

    def test_quantiles(self):
        for sample, answer in self.each():
            expected = [numpy.median(sample), *numpy.quantile(sample, [0.25, 0.75])]
            numpy.testing.assert_allclose(answer[:3], expected, rtol=1e-12)

    def test_interval(self):
        """As many values are left out at each end as the binomial law allows, and it says how sure that is."""
        for sample, (_, _, _, low, high, coverage, *_) in self.each():
            size, ranks = len(sample), sorted(sample)
            beyond = stats.binom.cdf(range(size), size, 0.5)
            cuts = [cut for cut in range(size) if beyond[cut] <= 0.025]
            if not cuts:
                self.assertEqual((low, high, coverage), (0, 0, 0), sample)
                continue
            self.assertEqual((low, high), (ranks[cuts[-1]], ranks[-1 - cuts[-1]]), sample)
            numpy.testing.assert_allclose(coverage, 1 - 2 * beyond[cuts[-1]], rtol=1e-10)

    def test_sign_test(self):
        for sample, answer in self.each():
            above = sum(value > 1 for value in sample)
            trials = above + sum(value < 1 for value in sample)
            for p, alternative in zip(answer[6:], ("two-sided", "greater", "less")):
                expected = stats.binomtest(above, trials, 0.5, alternative).pvalue if trials else 1.0
                numpy.testing.assert_allclose(p, expected, rtol=1e-10, atol=1e-300)

    def test_holm(self):
        draw = random.Random(5)
        families = [[draw.random() ** 4 for _ in range(size)] for size in range(1, 60)]
        for family, answer in zip(families, ask([("holm", family) for family in families])):
            order = numpy.argsort(family)
            steps = numpy.array(family)[order] * numpy.arange(len(family), 0, -1)
            expected = numpy.empty(len(family))
            expected[order] = numpy.minimum(1, numpy.maximum.accumulate(steps))
            numpy.testing.assert_allclose(answer, expected, rtol=1e-12)

    def test_least_sample(self):
        counts = [1, 2, 10, 100, 400]
        for tests, (size,) in zip(counts, ask([("size", [count]) for count in counts])):
            def least_p(trials):
                return tests * stats.binomtest(trials, trials, 0.5).pvalue
            self.assertTrue(least_p(int(size)) <= 0.05 < least_p(int(size) - 1), (tests, size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
