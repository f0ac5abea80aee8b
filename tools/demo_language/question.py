"""A question with one right answer, and the scene it is asked in."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Question:
    """`form` with `value` put in for {} is the full answer; `value` alone is the brief one."""

    text: str
    form: str
    value: str
    others: tuple = ()  # values that make a wrong answer of the same form, the most tempting first

    @property
    def answer(self):
        return self.form.replace("{}", self.value)

    def wrong_answers(self, count):
        wrong = []
        for other in self.others:
            answer = self.form.replace("{}", other)
            if answer != self.answer and answer not in wrong:
                wrong.append(answer)
        return wrong[:count]


@dataclasses.dataclass(frozen=True)
class Scene:
    """What is told before the questions (may be empty), and the questions."""

    kind: str
    setting: str
    questions: tuple
