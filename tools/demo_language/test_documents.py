import collections
import itertools
import unittest

from demo_language import choices, facts, small_talk, sums
from demo_language.documents import BRIEF, SEPARATOR, Document, long_page, stream
from demo_language.source import Source


def first(use, seed, count=400):
    return list(itertools.islice(stream(use, seed), count))


def long_texts(documents):
    """Tales and their questions: texts long enough that meeting one twice would be no accident."""
    texts = [t for d in documents for t in (d.text.split(SEPARATOR) if d.text else [])]
    texts += [m["content"] for d in documents for m in d.messages]
    return {t.split("\nQuestion:")[0].rsplit("\n", 1)[0] for t in texts if " goes to the " in t}


class DocumentsTest(unittest.TestCase):
    def test_one_seed_gives_one_stream(self):
        self.assertEqual(first("train", 1, 50), first("train", 1, 50))

    def test_seeds_and_uses_give_other_streams(self):
        self.assertNotEqual(first("train", 1, 50), first("train", 2, 50))
        self.assertNotEqual(first("train", 1, 50), first("heldout", 1, 50))

    def test_held_out_tales_do_not_occur_in_training(self):
        text, _ = long_page("heldout", 1, 100_000)
        heldout = long_texts([Document(1.0, text=text)])
        train = set().union(*(long_texts(first("train", f"1/{k}", 30)) for k in range(20)))
        self.assertGreater(len(heldout), 100)
        self.assertFalse(heldout & train)

    def test_a_long_page_costs_its_texts_and_its_empty_lines(self):
        text, bits = long_page("heldout", 1, 20_000)
        shorter, fewer = long_page("heldout", 1, 10_000)
        self.assertTrue(text.startswith(shorter + SEPARATOR))
        self.assertAlmostEqual((bits - fewer) / (len(text) - len(shorter)), bits / len(text), 1)

    def test_multiple_choice_tales_do_not_occur_in_training(self):
        asked = {
            i["ctx"].split("\nQuestion:")[0]
            for i in choices.items(1, 300)
            if " goes to the " in i["ctx"]
        }
        train = set().union(*(long_texts(first("train", f"1/{k}", 30)) for k in range(20)))
        self.assertFalse(asked & train)

    def test_every_document_costs_bits_and_is_text_or_messages(self):
        for document in first("train", 3):
            self.assertGreater(document.bits, 0.0)
            self.assertNotEqual(bool(document.text), bool(document.messages))


class BitsTest(unittest.TestCase):
    """If two paths wrote one text, it would occur more often than the bits of one path say."""

    def check(self, question, draws):
        source, bits, counts = Source("frequency"), {}, collections.Counter()
        for _ in range(draws):
            before = source.bits
            text = question(source).text
            bits[text] = source.bits - before
            counts[text] += 1
        expected = {text: draws * 2.0**-cost for text, cost in bits.items()}
        frequent = [text for text in expected if expected[text] >= 8.0]
        self.assertGreater(len(frequent), 8)
        for text in frequent:
            spread = expected[text] ** 0.5
            self.assertLess(abs(counts[text] - expected[text]), 5.0 * spread, text)

    def test_facts_occur_as_often_as_their_bits_say(self):
        self.check(facts.question, 8000)

    def test_sums_occur_as_often_as_their_bits_say(self):
        self.check(sums.question, 20000)

    def test_greetings_occur_as_often_as_their_bits_say(self):
        self.check(small_talk.question, 2000)


class ConversationsTest(unittest.TestCase):
    def test_turns_alternate_and_end_with_the_assistant(self):
        for document in first("train", 4):
            turns = [m["role"] for m in document.messages if m["role"] != "system"]
            self.assertEqual(turns, ["user", "assistant"] * (len(turns) // 2))

    def test_the_brief_system_message_shortens_answers(self):
        documents = first("train", 5)

        def mean(brief):
            answers = [
                m["content"]
                for d in documents
                for m in d.messages
                if m["role"] == "assistant" and (d.messages[0]["content"] == BRIEF) == brief
            ]
            return sum(map(len, answers)) / len(answers)

        self.assertLess(mean(True), 0.8 * mean(False))

    def test_special_tokens_never_occur_in_texts(self):
        for document in first("train", 6):
            self.assertNotIn("<|", document.text + "".join(m["content"] for m in document.messages))


if __name__ == "__main__":
    unittest.main()
