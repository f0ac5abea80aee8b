import unittest

from demo_language.source import Source


class SourceTest(unittest.TestCase):
    def test_one_seed_gives_one_stream(self):
        first, second = Source("a"), Source("a")
        self.assertEqual(
            [first.below(1000) for _ in range(50)], [second.below(1000) for _ in range(50)]
        )

    def test_other_seed_gives_other_stream(self):
        first, second = Source("a"), Source("b")
        self.assertNotEqual(
            [first.below(1000) for _ in range(50)], [second.below(1000) for _ in range(50)]
        )

    def test_bits_of_equal_options_are_their_logarithm(self):
        source = Source("a")
        source.choice("abcd")
        source.between(1, 8)
        self.assertAlmostEqual(source.bits, 5.0)

    def test_bits_of_weighted_options_follow_the_weights(self):
        for seed in range(20):
            source = Source(seed)
            drawn = source.weighted({"often": 3, "seldom": 1})
            self.assertAlmostEqual(source.bits, {"often": 0.4150374992788438, "seldom": 2.0}[drawn])

    def test_a_sample_of_two_out_of_four_costs_twelve_ways(self):
        source = Source("a")
        drawn = source.sample("abcd", 2)
        self.assertEqual(len(set(drawn)), 2)
        self.assertAlmostEqual(2.0**source.bits, 12.0)

    def test_weights_set_the_frequency(self):
        source = Source("frequency")
        often = sum(source.weighted({True: 9, False: 1}) for _ in range(2000))
        self.assertTrue(1700 < often < 1900, often)


if __name__ == "__main__":
    unittest.main()
