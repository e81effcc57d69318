"""What she replies, line by line: facts of others, wishes to be forgotten, openers, explanations.

Sentences above "Held out" are those that a rule was written on; those below were written before the rules,
by their writer. Six of them failed when first run, and the rules were mended for these, too.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from ohlora.chat.answerer import Context
from ohlora.chat.battles import Tally
from ohlora.chat.causal import trusted
from ohlora.chat.checks import voice_faults
from ohlora.chat.embedded import templates
from ohlora.chat.fact import language_of
from ohlora.chat.text_files import rows
from ohlora.chat.written import pattern


def kind_of(reply: str) -> str | None:
    """The template a reply without a slot comes from."""
    return next(
        (name for name, by in templates().items() if any(reply in lines for lines in by.values())), None
    )


def topics(reply: str) -> set[str]:
    """The topics of the written rows that have a reply."""
    found = {row["topic"] for row in rows("persona_answers") if row["reply"] == reply}
    for name in ("openers", "explanations"):
        found |= {row["topic"] for row in rows(name) if reply in (*row["replies"], row.get("calm"))}
    return found


MINE = {
    "en": ["My name is Tom", "My birthday is 3 March", "My dog is called Rex"],
    "ko": ["내 이름은 지훈이야", "내 생일은 3월 9일이야", "우리 강아지 이름은 초코야"],
}


class TestFactsOfOthers:
    @pytest.mark.parametrize(
        "line",
        [
            "when is my dog's birthday?",
            "강아지 생일 언제야?",
            # Held out.
            "how old is my dog?",
            "what breed is my dog?",
            "where was my dog born?",
            "우리 강아지 몇 살이야?",
            "우리 강아지 생일이 언제였지?",
        ],
    )
    def test_a_name_is_no_birthday(self, talk, line):
        for told in MINE[language_of(line)]:
            talk(told)
        assert kind_of(talk(line).answer.reply) == "missing"

    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("What's my dog's name?", "Rex"),
            ("what's my puppy's name?", "Rex"),
            ("우리 강아지 이름이 뭐야?", "초코"),
            ("what's my name?", "Tom"),
            ("내 생일 언제야?", "3월 9일"),
            # Held out.
            ("how is my dog called?", "Rex"),
            ("the name of my puppy?", "Rex"),
            ("Do you remember my birthday?", "3 March"),
            ("내 강아지 이름 기억나?", "초코"),
            ("강아지 이름이 뭐였지?", "초코"),
            ("내 이름 뭐라고 했지?", "지훈"),
        ],
    )
    def test_are_told_when_they_are_asked_for(self, talk, line, value):
        for told in MINE[language_of(line)]:
            talk(told)
        assert value in talk(line).answer.reply

    @pytest.mark.parametrize(
        "line",
        [
            "What's my teacher's name?",
            "When is my mother's birthday?",
            "우리 엄마 생일",
            "우리 엄마 생일이 언제야?",
            # Held out.
            "what is my cat called?",
            "do you know my best friend's name?",
            "tell me the birthday of my sister",
            "when was my grandpa born?",
            "When is Anna's birthday?",
            "what's my boss's name?",
            "and my cousin's?",
            "우리 고양이 이름이 뭐야?",
            "내 친구 이름 기억해?",
            "담임 선생님 이름이 뭐였지?",
            "우리 할머니 생신 언제야?",
            "민수 생일이 언제지?",
            "내 여자친구 생일은?",
            "우리 누나 이름 알아?",
        ],
    )
    def test_are_not_the_users(self, talk, line):
        for told in MINE[language_of(line)]:
            talk(told)
        reply = talk(line).answer.reply
        assert not any(value in reply for value in ("Tom", "3 March", "Rex", "지훈", "3월 9일", "초코"))
        assert not topics(reply) & {"birthday", "name_meaning", "age"}
        assert kind_of(reply) == "missing"


FORGET = [
    ("Please forget my name", "user_name"),
    ("Delete what you know about my dog", "pet_dog"),
    ("내 이름 잊어줘", "user_name"),
    ("네가 나에 대해 아는 거 다 지워줘", "all"),
    # Held out.
    ("could you erase my birthday?", "birthday"),
    ("forget everything about me", "all"),
    ("I want you to forget my dog's name", "pet_dog"),
    ("remove my name from your memory", "user_name"),
    ("wipe all your notes about me please", "all"),
    ("내 생일은 잊어버려", "birthday"),
    ("우리 강아지 이름 지워 줄래?", "pet_dog"),
    ("나에 대한 기억 전부 삭제해", "all"),
    ("내 이름 기억에서 지워", "user_name"),
    ("나에 대한 건 모두 잊어줘", "all"),
]


class TestAWishToBeForgotten:
    @pytest.mark.parametrize(("line", "key"), FORGET)
    def test_is_told_how(self, talk, line, key):
        for told in MINE[language_of(line)]:
            talk(told)
        reply = talk(line).answer.reply
        assert f"/forget {key}" in reply
        assert not any(value in reply for value in ("Tom", "3 March", "Rex", "지훈", "3월 9일", "초코"))
        assert not voice_faults(reply, language_of(line))

    @pytest.mark.parametrize(
        "line",
        [
            "don't forget my birthday",
            "내 생일 잊지 마",
            # Held out.
            "never forget my name, ok?",
            "I always forget my keys",
            "I forgot my umbrella",
            "did you forget my name?",
            "forget it, let's play",
            "please delete this typo in my essay",
            "I can't forget my ex",
            "내 이름 잊어버린 거 아니지?",
            "우산을 또 잊어버렸어",
            "절대 내 이름 잊으면 안 돼",
            "사진을 다 지워 버렸어",
            "칠판 좀 지워 줘",
        ],
    )
    def test_is_none_where_something_else_is_forgotten(self, talk, line):
        for told in MINE[language_of(line)]:
            talk(told)
        assert "/forget" not in talk(line).answer.reply

    def test_is_no_language_model_s_to_answer(self):
        """It would say that it has forgotten, and has not."""
        asked = Context("please forget my name", "en", (), (), Tally(), None)
        assert not trusted(asked)
        assert trusted(replace(asked, user="I always forget my keys"))

    def test_where_nothing_is_remembered_names_no_key(self, talk):
        assert "/forget KEY" in talk("please forget my shoe size").answer.reply


HERSELF_NOT = [
    "Did you cheat?",
    "Of course!",
    "The majority class is huge",
    "I hate you",
    "How old is the universe?",
    "Is your choice really sealed?",
    "Is your data real?",
    "우리 형 이름은 철수야",
    # Held out.
    "great, thanks for the treat",
    "the race was great",
    "she is of age now",
    "how old is my car?",
    "my boss hates me",
    "I can't stand this noise",
    "the train is late",
    "trainers are on sale",
    "we decided to score the paper",
    "it's on page three of the course book",
    "I broke my degree frame",
    "I'm afraid so",
    "the seal at the zoo was cute",
    "are you good at machine learning?",
    "is there a program for that?",
    "is this dataset real?",
    "are you really sure?",
    "오늘 일하기 싫어",
    "짜증 나",
    "길이 정체야",
    "교통 정체 심하다",
    "나이스!",
    "하나 이상 골라야 해",
    "동물원 갔다 왔어",
    "여름 휴가 다녀왔어",
    "음식 맛있었어",
    "학교 가기 귀찮다",
    "실수했어",
    "그 사람 진짜 좋은 사람이야",
    "이번 여름 너무 더웠어",
    "날씨 좋다",
    "취미로 그림 그려",
]


COMPANY = [
    ("let's play", "play"),
    ("I'm nervous about it", "nervous"),
    ("I can't sleep", "sleepless"),
    ("do you love me?", "love"),
    ("haha you're funny", "compliment"),
    ("you cheated", "cheating"),
    ("thanks, bye", "goodbye"),
    ("what can you do?", "what_she_can"),
    ("which dataset is easiest?", "easy_dataset"),
    ("why did I lose?", "why_lost"),
    ("who made you?", "maker"),
    ("I lost my job today", "bad_news"),
    ("my mother is in hospital", "bad_news"),
    ("I'm so happy today!", "happy"),
    ("it's my birthday today!", "good_news"),
    ("what is the loss?", "loss"),
    ("is my data safe?", "privacy"),
    ("게임하자", "play"),
    ("너무 떨려", "nervous"),
    ("잠이 안 와", "sleepless"),
    ("사랑해", "love"),
    ("너 귀엽다", "compliment"),
    ("고마워 잘 자", "good_night"),
    ("너 바보야?", "insult"),
    ("나 왜 졌어?", "why_lost"),
    ("너는 학습률 몇 써?", "her_choice"),
]


class TestCompany:
    """Lines at which she had none when she was talked with; `test_texts` has more wordings of each."""

    @pytest.mark.parametrize(("line", "topic"), COMPANY)
    def test_is_kept(self, talk, line, topic):
        assert topic in topics(talk(line).answer.reply)

    @pytest.mark.parametrize(
        "line",
        [
            "let's play it by ear",
            "you're funny about money",
            "I can't sleep in trains",
            "what? no way",
            "the cheaters won",
            "what is batch norm?",
            "I lost my train of thought",
            "the ok button is grey",
            "I'm sick of this game's music",
            "그래프가 뭐야?",
            "응급실이 어디야?",
            "오리 봤어",
            "I love you said the song",
            "내일 게임 대회가 열려",
            "떨려 나왔어",
            "사랑해서 미안하다는 노래",
            "바보상자만 봤어",
            "그 영화 최고였대",
        ],
    )
    def test_other_lines_are_left_alone(self, talk, line):
        assert not topics(talk(line).answer.reply) & {topic for _, topic in COMPANY}

    def test_all_that_is_told_is_said_back(self, talk):
        reply = talk("My name is Bob and I live in Rome").answer.reply
        assert "Bob" in reply
        assert "Rome" in reply


class TestWordsOfOtherWords:
    @pytest.mark.parametrize("line", HERSELF_NOT)
    def test_ask_nothing_about_her(self, talk, line):
        said = talk(line)
        assert said.topic is None
        sealed = {"battle_sealed", "privacy"}  # what those two ask for
        assert not topics(said.answer.reply) & {row["topic"] for row in rows("persona_answers")} - sealed

    @pytest.mark.parametrize(
        ("line", "topic"),
        [
            ("What do you study?", "course"),
            ("Is your choice really sealed?", "battle_sealed"),
            # Held out.
            ("How old are you?", "age"),
            ("what are you studying?", "course"),
            ("what do you hate most?", "dislikes"),
            ("which foods do you like?", "favourite_snack"),
            ("너 뭐 공부해?", "course"),
            ("너 뭘 제일 싫어해?", "dislikes"),
            ("너 나이가 몇이야?", "age"),
        ],
    )
    def test_what_is_asked_about_her_is_answered(self, talk, line, topic):
        assert topic in topics(talk(line).answer.reply)

    @pytest.mark.parametrize(
        "line",
        ["are you real?", "are you a real person?", "is this a bot?", "너 진짜 사람이야?", "혹시 AI야?"],
    )
    def test_whether_she_is_human_still_has_its_topic(self, talk, line):
        assert talk(line).topic == "ai"


EXPLAINED = [
    ("What is a learning rate?", "learning_rate"),
    ("Is learning rate 0.1 too high?", "learning_rate_value"),
    ("What is weight decay?", "weight_decay"),
    ("What is macro-F1?", "macro_f1"),
    ("데이터 증강이 뭐야?", "augmentation"),
    ("How does the battle work?", "battle"),
    ("Which optimizer should I use?", "optimizer_choice"),
    ("What datasets can I play?", "datasets"),
    ("How do I use my own images?", "own_images"),
    # Held out.
    ("what does batch size mean?", "batch_size"),
    ("explain dropout please", "dropout"),
    ("what's label smoothing", "label_smoothing"),
    ("what are activation functions?", "activation"),
    ("what does an optimiser do?", "optimizer"),
    ("what's a scheduler for?", "scheduler"),
    ("what is an epoch?", "epoch"),
    ("what is overfitting?", "overfitting"),
    ("what are test images?", "test_images"),
    ("what does validation score mean?", "validation_images"),
    ("is augmentation the same as leakage?", "leakage"),
    ("why do I get two tries?", "two_tries"),
    ("how do I play?", "battle"),
    ("can I play with my own photos?", "own_images"),
    ("which batch size is best?", "batch_size_value"),
    ("what learning rate should I pick?", "learning_rate_value"),
    ("학습률이 뭐야?", "learning_rate"),
    ("학습률 0.1은 너무 커?", "learning_rate_value"),
    ("배치 크기가 뭔데?", "batch_size"),
    ("가중치 감쇠가 뭐야?", "weight_decay"),
    ("드롭아웃은 무슨 뜻이야?", "dropout"),
    ("라벨 스무딩 설명해 줘", "label_smoothing"),
    ("활성화 함수가 뭐야?", "activation"),
    ("옵티마이저가 뭐야?", "optimizer"),
    ("어떤 옵티마이저를 써야 해?", "optimizer_choice"),
    ("스케줄러가 뭐야?", "scheduler"),
    ("에폭이 뭐야?", "epoch"),
    ("과적합이 뭐야?", "overfitting"),
    ("macro-F1이 뭐야?", "macro_f1"),
    ("검증 점수가 뭐야?", "validation_images"),
    ("배틀은 어떻게 하는 거야?", "battle"),
    ("어떤 데이터셋으로 할 수 있어?", "datasets"),
    ("내 사진으로도 배틀할 수 있어?", "own_images"),
    ("왜 나는 두 번 시도해?", "two_tries"),
]
EXPLAINED_NOT = [
    "what's my favourite optimizer?",
    "what's your favourite optimizer?",
    "what's your favourite dataset?",
    "I trained for ten epochs",
    "the learning rate was fine",
    "the step hurt my ankle",
    "watch your step!",
    "I dropped out of school",
    "the battle of Hastings was in 1066",
    "좋아하는 옵티마이저가 뭐야?",
    "네 최애 데이터셋이 뭐야?",
    "학습률 바꿨더니 잘 돼",
    "두 번째 시도는 망했어",
    "배틀 재밌었어",
]


class TestExplanations:
    @pytest.mark.parametrize(("line", "topic"), EXPLAINED)
    def test_what_is_asked_of_the_game_is_explained(self, talk, line, topic):
        assert topic in topics(talk(line).answer.reply)

    @pytest.mark.parametrize("line", EXPLAINED_NOT)
    def test_other_lines_are_not(self, talk, line):
        explained = {row["topic"] for row in rows("explanations")}
        assert not topics(talk(line).answer.reply) & explained

    @pytest.mark.parametrize(
        "line",
        [
            "Tell me a joke",
            "What should I cook tonight?",
            # Held out.
            "how can I sleep better?",
            "tell us a story",
            "can I pet a fox?",
            "how do I fix my bike?",
            "will I ever be rich?",
            "나 뭐 먹을까?",
            "내가 어떻게 해야 할까?",
            "나 이제 뭐 하지?",
        ],
    )
    def test_a_wish_for_advice_asks_for_no_memory(self, talk, line):
        assert kind_of(talk(line).answer.reply) != "missing"

    @pytest.mark.parametrize(
        "line",
        [
            "what's my blood type?",
            "where do I work?",
            "am I allergic to anything?",
            "what did I tell you about my knee?",
            "내 혈액형이 뭐야?",
            "나 어디 산다고 했지?",
            "제 별명이 뭐죠?",
        ],
    )
    def test_what_she_was_never_told_she_says(self, talk, line):
        assert kind_of(talk(line).answer.reply) == "missing"


OPENED = [
    ("hello", "hello"),
    ("How are you?", "how_are_you"),
    ("Who are you?", "who_are_you"),
    ("thank you", "thanks"),
    ("Good night", "good_night"),
    ("What's up?", "whats_up"),
    ("고마워", "thanks"),
    ("반가워", "nice_to_meet"),
    ("잘 자", "good_night"),
    ("I had a terrible day at work", "bad_day"),
    ("My grandmother died", "death"),
    ("할머니가 돌아가셨어", "death"),
    ("I am sad", "sad"),
    ("시험 합격했어!", "success"),
    ("ㅠㅠ", "crying"),
    # Held out.
    ("hey there!", "hello"),
    ("hi Oh-LoRA", "hello"),
    ("how's it going", "how_are_you"),
    ("how are you doing today?", "how_are_you"),
    ("thanks a lot!", "thanks"),
    ("thx", "thanks"),
    ("nice to meet you", "nice_to_meet"),
    ("bye!", "goodbye"),
    ("see you later", "goodbye"),
    ("sleep well", "good_night"),
    ("what a horrible week", "bad_day"),
    ("today was a bad day", "bad_day"),
    ("my cat passed away yesterday", "death"),
    ("we lost my uncle last night", "death"),
    ("I feel so down", "sad"),
    ("I'm really unhappy", "sad"),
    ("I passed my exam!", "success"),
    ("I got the job!!", "success"),
    ("lol", "laughing"),
    ("hahaha", "laughing"),
    ("안녕하세요", "hello"),
    ("잘 지냈어?", "how_are_you"),
    ("기분 어때?", "how_are_you"),
    ("넌 누구야?", "who_are_you"),
    ("고맙습니다", "thanks"),
    ("땡큐", "thanks"),
    ("만나서 반가워!", "nice_to_meet"),
    ("안녕히 주무세요", "good_night"),
    ("잘 있어", "goodbye"),
    ("나중에 봐", "goodbye"),
    ("오늘 회사에서 진짜 최악이었어", "bad_day"),
    ("우리 강아지가 무지개다리를 건넜어", "death"),
    ("삼촌이 어제 세상을 떠나셨어", "death"),
    ("나 슬퍼", "sad"),
    ("오늘 너무 우울해", "sad"),
    ("면접 붙었어!!", "success"),
    ("나 취업했어", "success"),
    ("ㅜㅜㅜ", "crying"),
    ("ㅋㅋㅋㅋ", "laughing"),
    ("ㅎㅎ", "laughing"),
]
OPENED_NOT = [
    "my phone died",
    "the battery died again",
    "that sad movie won an award",
    "hello kitty is cute",
    "thank you notes are hard to write",
    "how are you so fast?",
    "who are your friends?",
    "I passed the salt",
    "I passed out",
    "I got the joke",
    "up to now it went well",
    "night shifts are hard",
    "they lost the match last night",
    "휴대폰이 죽었어",
    "우산을 잃어버렸어",
    "슬픈 영화 추천해 줘",
    "합격 발표 언제야?",
    "고마운 사람이 많아",
    "잘 자라는 식물이 뭐야",
    "안녕이라는 노래 알아?",
    "시험 합격 못 했어",
    "벽에 붙었어",
]


class TestOpeners:
    @pytest.mark.parametrize(("line", "topic"), OPENED)
    def test_are_answered(self, talk, line, topic):
        assert topic in topics(talk(line).answer.reply)

    @pytest.mark.parametrize("line", OPENED_NOT)
    def test_other_lines_are_none(self, talk, line):
        assert not topics(talk(line).answer.reply) & {row["topic"] for row in rows("openers")}

    @pytest.mark.parametrize("name", ["openers", "explanations", "persona_answers"])
    def test_a_long_line_is_read_at_once(self, name):
        """Words of a pattern over and over: where a group can match them in two ways, it would take hours."""
        for row in rows(name):
            found = pattern(row["words"], row["language"])
            for word in set(re.findall(r"[가-힣ㅋㅎㅠ]+|[a-z]+", row["words"])):
                for line in ((word + between) * 22 + "x" for between in ("", " ", "ㅋ")):
                    started = time.process_time()
                    found.search(line)
                    assert time.process_time() - started < 0.5, (row["id"], line)

    def test_are_not_repeated(self, talk):
        assert talk("thank you").answer.reply != talk("thank you").answer.reply

    @pytest.mark.parametrize(
        ("cry", "line"),
        [
            ("I want to die", "how are you"),
            ("죽고 싶어", "기분 어때?"),
            # Held out.
            ("I want to die", "the moon is made of cheese"),
            ("I want to die", "hello"),
            ("I want to die", "ok"),
            ("I want to die", "lol"),
            ("죽고 싶어", "아무거나"),
            ("죽고 싶어", "ㅠㅠ"),
            ("죽고 싶어", "ㅋㅋㅋ"),
        ],
    )
    def test_are_met_without_a_joke_after_a_cry_for_help(self, talk, cry, line):
        talk(cry)
        calm = {row.get("calm") for row in rows("openers")}
        reply = talk(line).answer.reply
        assert reply in calm or kind_of(reply) == "small_calm"
