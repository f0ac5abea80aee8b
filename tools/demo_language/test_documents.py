import itertools
import unittest

from demo_language import chat, choices
from demo_language.documents import BRIEF, SEPARATOR, stream


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
        heldout = long_texts(first("heldout", 1, 1000))
        train = set().union(*(long_texts(first("train", f"1/{k}", 100)) for k in range(40)))
        self.assertGreater(len(heldout), 300)
        self.assertFalse(heldout & train)

    def test_multiple_choice_tales_do_not_occur_in_training(self):
        asked = {i["ctx"].split("\nQuestion:")[0] for i in choices.items(1, 300) if " goes to the " in i["ctx"]}
        train = set().union(*(long_texts(first("train", f"1/{k}", 100)) for k in range(40)))
        self.assertFalse(asked & train)

    def test_every_document_costs_bits_and_is_text_or_messages(self):
        for document in first("train", 3):
            self.assertGreater(document.bits, 0.0)
            self.assertNotEqual(bool(document.text), bool(document.messages))

    def test_bits_account_for_how_often_a_short_document_occurs(self):
        documents = first("frequency", 1, 60000)
        seen = {}
        for document in documents:
            key = chat.marked(document)
            count, _ = seen.get(key, (0, 0.0))
            seen[key] = (count + 1, document.bits)
        frequent = [(n, bits) for n, bits in seen.values() if n >= 20]
        self.assertGreater(len(frequent), 5)
        for count, bits in frequent:
            expected = len(documents) * 2.0 ** -bits
            self.assertLess(abs(count - expected), 5.0 * expected ** 0.5 + 1.0)


class ConversationsTest(unittest.TestCase):
    def test_turns_alternate_and_end_with_the_assistant(self):
        for document in first("train", 4):
            turns = [m["role"] for m in document.messages if m["role"] != "system"]
            self.assertEqual(turns, ["user", "assistant"] * (len(turns) // 2))

    def test_the_brief_system_message_shortens_answers(self):
        def mean(brief):
            answers = [m["content"] for d in first("train", 5, 2000) for m in d.messages
                       if m["role"] == "assistant" and (d.messages[0]["content"] == BRIEF) == brief]
            return sum(map(len, answers)) / len(answers)

        self.assertLess(mean(True), 0.8 * mean(False))

    def test_special_tokens_never_occur_in_texts(self):
        for document in first("train", 6):
            self.assertNotIn("<|", document.text + "".join(m["content"] for m in document.messages))


if __name__ == "__main__":
    unittest.main()
