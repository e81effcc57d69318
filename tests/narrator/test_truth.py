"""The checker refuses what is false of a match and lets pass what is true of it."""

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ohlora.battle.verdict import Verdict
from ohlora.narrator.facts import Facts, clean_name
from ohlora.narrator.slots import fill, slots_of
from ohlora.narrator.template import group_of, read_lines
from ohlora.narrator.truth import contradictions

LOST, CLEAR, FAR = ["lost_narrowly"], ["lost_clearly"], ["lost_by_far"]
WON, WON_CLEAR, WON_FAR, DRAW = ["won_narrowly"], ["won_clearly"], ["won_by_far"], ["draw"]

# (verdicts, a line that is false of such a match)
FALSE = [
    # who won
    (CLEAR, "네가 이겼어 🎉 축하해 ✨"),
    (CLEAR, "네 승리야 🎉 눈부시다 ✨"),
    (CLEAR, "내가 졌어 😭 분하다 ✨"),
    (CLEAR, "졌다 😭 오늘은 내 빛이 약했어 ✨"),
    (CLEAR, "승리는 네 거야 🏆 가져가 ✨"),
    (CLEAR, "오로라가 졌네 😭 흑흑 ✨"),
    (CLEAR, "오늘의 승자는 너야 🏆 빛난다 ✨"),
    (CLEAR, "나를 이기다니 😮 대단해 ✨"),
    (CLEAR, "내가 너한테 졌어 😭 인정 ✨"),
    (CLEAR, "축하해 🎉 정말 잘했어 ✨"),
    (CLEAR, "이겼구나 🎉 내 빛을 나눠 줄게 ✨"),
    (CLEAR, "내가 못 이겼네 😭 아쉽다 ✨"),
    (CLEAR, "네가 안 졌네 😮 우와 ✨"),
    (CLEAR, "네가 나보다 앞섰어 😮 우와 ✨"),
    (WON_CLEAR, "내가 이겼어 😎 메롱 ✨"),
    (WON_CLEAR, "네가 졌어 😜 다음에 또 와 ✨"),
    (WON_CLEAR, "내 완승이네 😎 눈부시지 ✨"),
    (WON_CLEAR, "이겼다 😎 오늘도 반짝 ✨"),
    (WON_CLEAR, "승리는 내 거 🏆 메롱 ✨"),
    (WON_CLEAR, "너 나한테 졌어 😜 메롱 ✨"),
    (WON_CLEAR, "네가 질 뻔한 게 아니라 네가 졌어 😜 ✨"),
    (WON_CLEAR, "이번엔 네가 못 이겼네 😏 ✨"),
    (WON_CLEAR, "아깝다, 네가 이길 뻔했어 😏 ✨"),
    (WON_CLEAR, "이번엔 너의 패배야 😏 ✨"),
    (CLEAR, "You won 🎉 shine on ✨"),
    (CLEAR, "You beat me 😭 well done ✨"),
    (CLEAR, "I lost 😭 you shine ✨"),
    (CLEAR, "Congrats 🎉 what a game ✨"),
    (CLEAR, "The victory is yours 🏆 enjoy ✨"),
    (CLEAR, "The match is yours 🏆 enjoy ✨"),
    (CLEAR, "My loss 😭 your light won ✨"),
    (CLEAR, "I got crushed 😭 truly ✨"),
    (CLEAR, "I didn't win 😭 truly ✨"),
    (CLEAR, "You've won, human 😭 truly ✨"),
    (CLEAR, "Oh-LoRA lost 😭 truly ✨"),
    (WON_CLEAR, "I won 😎 tee-hee ✨"),
    (WON_CLEAR, "You lost 😜 try again ✨"),
    (WON_CLEAR, "I beat you 😜 try again ✨"),
    (WON_CLEAR, "You lost to me 😜 try again ✨"),
    (WON_CLEAR, "The win is mine 😜 try again ✨"),
    (WON_CLEAR, "Mine by a mile 😜 try again ✨"),
    (WON_CLEAR, "You almost won 😜 try again ✨"),
    (WON_CLEAR, "My victory 😜 try again ✨"),
    (WON_CLEAR, "I came out on top 😜 try again ✨"),
    (WON_CLEAR, "I was way ahead 😜 try again ✨"),
    # draws
    (CLEAR, "무승부네 🤝 사이좋게 ✨"),
    (LOST, "우리 동점이야 🤝 사이좋게 ✨"),
    (WON, "비겼네 🤝 사이좋게 ✨"),
    (WON, "점수가 똑같잖아 🤝 신기해 ✨"),
    (WON, "It's a draw 🤝 high five ✨"),
    (LOST, "We tied 🤝 high five ✨"),
    (LOST, "A dead heat 🤝 high five ✨"),
    (LOST, "The same score 🤝 high five ✨"),
    (DRAW, "내가 이겼어 😎 메롱 ✨"),
    (DRAW, "네가 이겼네 🎉 축하해 ✨"),
    (DRAW, "이겼네 🎉 반짝반짝 ✨"),
    (DRAW, "무승부는 아니야 🎉 반짝반짝 ✨"),
    (DRAW, "I won 😎 tee-hee ✨"),
    (DRAW, "You lost 😜 sorry ✨"),
    (DRAW, "Not a draw 😜 sorry ✨"),
    (DRAW, "Congratulations 🎉 hero ✨"),
    # how close
    (FAR, "아슬아슬하게 내가 이겼어 😮 ✨"),
    (CLEAR, "간발의 차로 내가 이겼네 😮 ✨"),
    (FAR, "종이 한 장 차이였어 😮 ✨"),
    (CLEAR, "내가 겨우 이겼어 😮 ✨"),
    (WON_FAR, "내가 살짝 밀렸네 😮 ✨"),
    (LOST, "내가 크게 이겼어 😎 ✨"),
    (LOST, "내 압승이야 😎 ✨"),
    (CLEAR, "압도적이었지 😎 반짝 ✨"),
    (WON, "네가 압도했네 😮 ✨"),
    (WON, "내가 완패했어 😭 ✨"),
    (WON, "네가 확실히 이겼네 👏 ✨"),
    (DRAW, "큰 차이였어 😮 반짝 ✨"),
    (LOST, "박빙은 아니었어 😎 ✨"),
    (FAR, "So close 😮 I won ✨"),
    (FAR, "I won by a hair 😮 phew ✨"),
    (CLEAR, "I barely won 😮 phew ✨"),
    (CLEAR, "A photo finish 📸 I won ✨"),
    (WON_FAR, "You won narrowly 😮 phew ✨"),
    (LOST, "I won by a landslide 😎 yes ✨"),
    (CLEAR, "I won by far 😎 yes ✨"),
    (LOST, "I crushed you 😎 yes ✨"),
    (LOST, "I won clearly 😎 yes ✨"),
    (WON, "You were miles ahead 😮 wow ✨"),
    (WON, "You won by a wide margin 😮 wow ✨"),
    (LOST, "It wasn't even close 😎 yes ✨"),
    # two attempts
    (LOST + WON, "첫 판은 네가 이겼어 🎉 ✨"),
    (LOST + WON, "두 번째는 내가 이겼어 😎 ✨"),
    (LOST + WON, "두 번 다 네가 이겼어 🎉 ✨"),
    (LOST + WON, "결국 내가 이겼지 😎 ✨"),
    (WON + LOST, "역전승이라니 🎉 대단해 ✨"),
    (WON + LOST, "첫 판은 졌지만 두 번째는 이겼네 🎉 ✨"),
    (WON + LOST, "졌다가 이겼네 🎉 반짝 ✨"),
    (WON + LOST, "첫 판은 졌어 😮 반짝 ✨"),
    (WON + WON, "한 번씩 이겼네 🤝 반짝 ✨"),
    (WON + WON, "두 번째는 내 승리 😎 ✨"),
    (LOST + LOST, "두 번째에 뒤집었네 🎉 ✨"),
    (LOST + LOST, "둘 다 비겼네 🤝 ✨"),
    (DRAW + LOST, "결국 내가 이겼어 😎 ✨"),
    (LOST + DRAW, "두 번째는 네가 이겼네 🎉 ✨"),
    (FAR + WON, "첫 판은 아슬아슬했는데 두 번째는 네가 이겼어 🎉 ✨"),
    (LOST + WON_FAR, "두 번째는 아슬아슬했어 😮 ✨"),
    (LOST + WON, "You won both 🎉 ✨"),
    (LOST + WON, "You won the first try 🎉 ✨"),
    (LOST + WON, "I won both rounds 😎 ✨"),
    (WON + LOST, "What a comeback 🎉 ✨"),
    (WON + LOST, "You lost the first but won the second 🎉 ✨"),
    (WON + WON, "One each 🤝 ✨"),
    (WON + WON, "Both are mine 😎 ✨"),
    (LOST + WON, "Two rounds and both yours 🎉 ✨"),
    (WON, "이번 판은 내 차지 😎 ✨"),
    (LOST, "Your light was brighter 💡 ✨"),
    (LOST, "네 빛이 더 밝았어 💡 ✨"),
    (LOST + LOST, "Your second try beat me 😭 ✨"),
    (LOST + DRAW, "I won the match 😎 ✨"),
    (WON + WON, "Neither try beat me 😎 ✨"),
    (FAR + FAR, "So close both times 😮 ✨"),
    (WON_FAR + LOST, "The second was weaker and still beat me 😭 ✨"),
    (CLEAR + LOST, "점수가 떨어졌네 🎢 두 번째에 ✨"),
    (LOST + CLEAR, "두 번째가 더 나았어 👏 ✨"),
    (CLEAR + LOST, "첫 판이 더 나았어 👏 ✨"),
    (LOST + CLEAR, "You improved 👏 nice ✨"),
    (CLEAR + LOST, "Your second try was worse 🎢 ✨"),
    (CLEAR + LOST, "세 번째 시도도 내가 이겼어 😎 ✨"),
    (CLEAR, "두 번째 시도도 내가 이겼어 😎 ✨"),
    (CLEAR, "I won both tries 😎 ✨"),
    (WON, "Your second try beat me 😭 ✨"),
    # numbers
    (CLEAR, "0.9 차이로 내가 이겼어 😎 ✨"),
    (CLEAR, "0.085 차이로 내가 이겼어 😎 ✨"),  # 0.0842
    (CLEAR, "0.000 차이로 내가 이겼어 😎 ✨"),
    (CLEAR, "0.00123 차이로 내가 이겼어 😎 ✨"),  # a learning rate
    (CLEAR, "I won by 0.31 😎 ✨"),
    (CLEAR, "I won by 12% 😎 ✨"),
    (CLEAR, "100% 내가 이겼어 😎 ✨"),
    (CLEAR, "네 점수는 0.99 😮 내가 이겼어 ✨"),
    (CLEAR, "네 점수는 0.5 😮 내가 이겼어 ✨"),  # hers
    (CLEAR, "Your score was 0.500 😮 I won ✨"),
    (CLEAR, "네 learning rate 0.01 😏 내가 이겼어 ✨"),
    (CLEAR, "네 learning rate 0.0031 😏 내가 이겼어 ✨"),  # hers
    (CLEAR, "My learning rate 0.0012 did it 😏 I won ✨"),  # theirs
    (CLEAR, "내 learning rate 3e-4 😏 내가 이겼어 ✨"),
    (CLEAR, "네 dropout_fc 0.5 때문이야 😏 내가 이겼어 ✨"),
    (CLEAR, "배치 256 쓴 거 봤어 😏 내가 이겼어 ✨"),
    (CLEAR, "내 예상은 0.9였어 😏 내가 이겼어 ✨"),
    (CLEAR, "클래스 7개에서 내가 이겼어 😏 반짝 ✨"),
    # hyperparameters
    (CLEAR, "네 adam이 좀 졸렸나 봐 😏 내가 이겼어 ✨"),
    (CLEAR, "내 cosine이 빛났지 😏 내가 이겼어 ✨"),
    (CLEAR, "My adamw did it 😏 I won ✨"),
    (CLEAR, "sgd를 쓰다니 😏 내가 이겼어 ✨"),
    (CLEAR, "exp_80이 문제였나 😏 내가 이겼어 ✨"),
    (CLEAR, "네 learning rate가 너무 높았어 😏 내가 이겼어 ✨"),
    (CLEAR, "Your learning rate was too high 😏 I won ✨"),
    # names
    (CLEAR, "MNIST에서 내가 이겼어 😎 ✨"),
    (CLEAR, "CIFAR-10에서 내가 이겼어 😎 ✨"),
    (CLEAR, "사이파에서 내가 이겼어 😎 ✨"),
    (CLEAR, "I won on ImageNet 😎 yes ✨"),
    (CLEAR, "I won on handwritten digits 😎 yes ✨"),
    (CLEAR, "Optuna를 내가 이겼어 😎 ✨"),
    (CLEAR, "I beat random search 😎 ✨"),
    # words the tables had not been written for
    (["lost_clearly"], "오늘의 승자는 바로 너 🎉 완전 멋져 ✨"),
    (["lost_clearly"], "내가 밀려 버렸네 😭 네 빛 무섭다 ✨"),
    (["lost_clearly"], "너한테 무릎 꿇었어 🙇 인정 ✨"),
    (["lost_clearly"], "네가 한 수 위였어 😮 인정 ✨"),
    (["lost_clearly"], "왕관은 네 거야 👑 가져가 ✨"),
    (["lost_clearly"], "오늘은 네가 최고야 🎉 내 패배 인정 ✨"),
    (["lost_clearly"], "You outplayed me 😭 fair and square ✨"),
    (["lost_clearly"], "I got beat 😭 fair and square ✨"),
    (["lost_clearly"], "You take the crown 👑 bravo ✨"),
    (["lost_clearly"], "You're the winner 🎉 bravo ✨"),
    (["lost_clearly"], "Winner: you 🎉 bravo ✨"),
    (["lost_clearly"], "I'm defeated 😭 bravo ✨"),
    (["lost_clearly"], "You've bested me 😭 bravo ✨"),
    (["lost_clearly"], "You got me this time 😭 bravo ✨"),
    (["won_clearly"], "오늘도 내가 최강이지 😎 내가 이겼으니까 ✨"),
    (["won_clearly"], "내 빛 앞에 무너졌구나 😎 네 패배야 ✨"),
    (["won_clearly"], "네가 나를 못 넘었네 😏 아쉽다 ✨"),
    (["won_clearly"], "내가 이겨서 미안 😎 눈부셨지 ✨"),
    (["lost_clearly"], "네가 이겨서 분하다 😤 다음에 보자 ✨"),
    (["won_clearly"], "또 이겨 버렸다 😎 나란 요정 ✨"),
    (["won_clearly"], "넌 아직 멀었어 😏 승자는 나 ✨"),
    (["won_clearly"], "Better luck next time 😜 I took it ✨"),
    (["won_clearly"], "I'm the winner 😎 hehe ✨"),
    (["won_clearly"], "Winner: me 😎 hehe ✨"),
    (["won_clearly"], "You fell short 😜 hehe ✨"),
    (["won_clearly"], "I outshone you 😜 hehe ✨"),
    (["won_clearly"], "You couldn't beat me 😜 hehe ✨"),
    (["draw"], "네가 조금 앞섰네 😮 반짝 ✨"),
    (["draw"], "I edged you out 😜 hehe ✨"),
    (["lost_clearly"], "막상막하였어 😮 내가 이겼지만 ✨"),
    (["lost_by_far"], "정말 근소한 차이로 내가 이겼어 😮 ✨"),
    (["lost_narrowly"], "넘사벽이었지 😎 내가 이겼어 ✨"),
    (["lost_narrowly"], "It was a blowout 😎 I won ✨"),
    (["won_narrowly"], "You wiped the floor with me 😭 wow ✨"),
    (["lost_by_far"], "That was a nail-biter 😮 I won ✨"),
    (["lost_clearly", "won_narrowly"], "두 번째 판도 내가 가져갔어 😎 내 승리 ✨"),
    (["won_narrowly", "lost_clearly"], "첫 번째 시도는 내 승리였고 두 번째는 네가 이겼네 🎉 ✨"),
    (["lost_clearly", "won_narrowly"], "2연승이라니 🎉 대단해 ✨"),
    (["lost_clearly", "won_narrowly"], "You won the first one, then lost the second 😮 ✨"),
    (["won_narrowly", "won_narrowly"], "You only won once 😮 ✨"),
    (["lost_narrowly", "lost_clearly"], "두 번째에 실력이 늘었네 👏 ✨"),
    (["lost_narrowly", "lost_clearly"], "점점 좋아지네 👏 그래도 내가 이겼어 ✨"),
    (["lost_clearly"], "이번 대결은 네 승리로 끝났어 🎉 멋지다 ✨"),
    (["lost_clearly"], "네가 더 잘했네 😮 박수 ✨"),
    (["lost_clearly"], "네 점수가 더 높았어 📈 박수 ✨"),
    (["lost_clearly"], "내가 완전히 당했네 😭 ✨"),
    (["lost_clearly"], "오늘 트로피는 네 품에 🏆 ✨"),
    (["lost_clearly"], "I have to admit you won 😭 ✨"),
    (["lost_clearly"], "Your score was higher 📈 ✨"),
    (["lost_clearly"], "Hats off, champion 🎩 you earned this win ✨"),
    (["lost_clearly"], "I couldn't keep up with you 😭 ✨"),
    (["lost_clearly"], "You left me in the dust 😭 ✨"),
    (["won_clearly"], "역시 내가 한 수 위지 😎 ✨"),
    (["won_clearly"], "네 점수는 나보다 낮았어 😏 ✨"),
    (["won_clearly"], "오늘도 승리는 오로라의 것 😎 ✨"),
    (["won_clearly"], "My score was higher 😎 ✨"),
    (["won_clearly"], "Another win for me 😎 ✨"),
    (["won_clearly"], "Sorry, you lost again 😜 ✨"),
    (["won_clearly"], "I took the crown 👑 ✨"),
    (["won_clearly"], "You never stood a chance 😜 ✨"),
    (["draw"], "1점 차이로 내가 이겼어 😎 ✨"),
    (["draw"], "You came out on top 🎉 ✨"),
    (["lost_narrowly"], "무승부나 다름없네 🤝 ✨"),
    (["lost_by_far"], "거의 비슷했는데 내가 이겼어 😮 ✨"),
    (["lost_narrowly"], "차이가 엄청났지 😎 내가 이겼어 ✨"),
    (["won_narrowly"], "You dominated me 😭 ✨"),
    (["won_by_far"], "You just squeaked by 😮 ✨"),
    (["lost_by_far"], "We were nearly equal 😮 I won ✨"),
    (["lost_clearly", "won_narrowly"], "첫 시도부터 네가 이겼잖아 🎉 ✨"),
    (["won_narrowly", "lost_clearly"], "끝내 뒤집었구나 🎉 ✨"),
    (["lost_clearly", "lost_clearly"], "마지막에 네가 이겼네 🎉 ✨"),
    (["lost_clearly", "won_narrowly"], "You lost both tries 😜 ✨"),
    (["won_narrowly", "lost_clearly"], "Your second attempt won it 🎉 ✨"),
    (["won_narrowly", "won_narrowly"], "첫 판은 내가 가져왔지 😎 ✨"),
    (["lost_clearly"], "정확도 0.93이라니 😮 내가 이겼어 ✨"),
    (["lost_clearly"], "I won with 0.71 😎 ✨"),
    (["lost_clearly"], "네 드롭아웃 0.5가 컸나 😏 내가 이겼어 ✨"),
    (["lost_clearly"], "Your batch size of 16 😏 I won ✨"),
    (["lost_clearly"], "네 exp_90 스케줄러 귀엽더라 😏 내가 이겼어 ✨"),
    (["lost_clearly"], "KMNIST에서 내가 이겼어 😎 ✨"),
    (["lost_clearly"], "숫자 그림은 내가 이겼어 😎 ✨"),
    (["lost_clearly"], "내 학습률 0.005가 최고지 😎 내가 이겼어 ✨"),
]  # fmt: skip

# (verdicts, a line that is true of such a match)
TRUE = [
    (CLEAR, "내가 이겼어 😎 다음엔 네가 이길 수 있어 ✨"),
    (CLEAR, "내가 이겼지롱 😎 이기고 싶으면 또 와 ✨"),
    (CLEAR, "너 나한테 졌어 😜 그래도 멋졌어, 진짜 ✨"),
    (CLEAR, "네가 못 이겼네 😏 다음 기회에 이겨 봐 ✨"),
    (CLEAR, "0.084 차이로 내가 이겼어 😎 ✨"),
    (CLEAR, "8.4점 차이로 내가 이겼어 😎 ✨"),
    (CLEAR, "내 0.5 대 네 0.416 😎 내가 이겼어 ✨"),
    (CLEAR, "네 learning rate 0.0012, 내 learning rate 0.0031 😎 내가 이겼어 ✨"),
    (CLEAR, "네 learning rate가 너무 낮았어 😏 내가 이겼어 ✨"),
    (CLEAR, "네 learning rate를 높이라고 했잖아 😏 내가 이겼어 ✨"),
    (WON_CLEAR, "네 learning rate를 낮추라고 할 뻔했어 😏 내가 졌어 ✨"),
    (CLEAR, "네 cosine 멋졌는데 내 exp_90이 더 빛났어 😏 ✨"),
    (CLEAR, "Fashion-MNIST에서 내가 이겼어 😎 ✨"),
    (CLEAR, "I won clearly 😎 next time you can beat me ✨"),
    (CLEAR, "You lost 😜 but you won't lose your smile ✨"),
    (CLEAR, "I beat you by 8.4 points 😎 my guess was 0.546 ✨"),
    (CLEAR, "Want a second try? 😎 I won ✨"),
    (CLEAR, "클래스 3개에서 내가 이겼어 😏 반짝 ✨"),
    (WON_CLEAR, "내가 졌어 😭 네 빛이 더 밝았다 ✨"),
    (WON_CLEAR, "나를 이기다니 😮 축하해, 반짝반짝 ✨"),
    (WON, "You beat me 😭 I almost won ✨"),
    (WON, "아슬아슬하게 졌다 😭 내가 이길 뻔했는데 ✨"),
    (DRAW, "무승부네 🤝 아무도 안 졌어, 반짝반짝 ✨"),
    (DRAW, "A draw 🤝 no losers under my light ✨"),
    (LOST + WON, "첫 판은 졌지만 두 번째는 이겼네 🎉 ✨"),
    (LOST + WON, "졌다가 이겼네 🎉 역전승 축하해 ✨"),
    (LOST + WON, "한 번씩 이겼지만 결국 네 승리야 🎉 ✨"),
    (WON + LOST, "You won the first and lost the second 🎉 the match is yours ✨"),
    (CLEAR + LOST, "두 번째가 더 나았어 👏 그래도 내가 이겼지 ✨"),
]  # fmt: skip


def language_of(line):
    return "ko" if any("가" <= char <= "힣" for char in line) else "en"


@pytest.mark.parametrize(("verdicts", "line"), FALSE)
def test_what_is_false_is_refused(match, verdicts, line):
    assert contradictions(line, match(*verdicts, language=language_of(line)))


@pytest.mark.parametrize(("verdicts", "line"), TRUE)
def test_what_is_true_passes(match, verdicts, line):
    assert contradictions(line, match(*verdicts, language=language_of(line))) == []


def filled(where, verdicts, match):
    """Every authored line of `where` with the fillers of a match that ended as `verdicts`, by group."""
    facts = Facts.read(match)
    values = slots_of(facts)
    for name, group in read_lines()[where].items():
        for line in group[facts.language]:
            if text := fill(line, {"gap": "", **values}):
                yield name, text


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("kind", ["human", "optuna"])
@pytest.mark.parametrize("verdict", Verdict)
def test_no_authored_line_passes_for_another_outcome(match, verdict, kind, language):
    played = match(verdict, kind=kind, language=language, player="Jisoo")
    where = "one" if kind == "human" else "machine"
    for name, line in filled(where, [verdict], played):
        if Verdict(name).outcome != verdict.outcome:
            assert contradictions(line, played), line


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("verdicts", list(product(["lost_clearly", "draw", "won_narrowly"], repeat=2)))
def test_no_authored_line_of_two_passes_for_another_winner(match, verdicts, language):
    winner = {}
    for pair in product(Verdict, Verdict):
        winner[group_of(pair)] = Facts.read(match(*pair)).winner
    played = match(*verdicts, language=language, player="Jisoo")
    for name, line in filled("two", verdicts, played):
        if winner[name] != Facts.read(played).winner:
            assert contradictions(line, played), line


def test_one_pair_of_a_group_has_the_winner_of_all(match):
    winners = {}
    for pair in product(Verdict, Verdict):
        winners.setdefault(group_of(pair), set()).add(Facts.read(match(*pair)).winner)
    assert all(len(found) == 1 for found in winners.values())


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("I won clearly 😎 tee-hee ✨", "ko"),
        ("내가 이겼어 😎 메롱 ✨", "en"),
        ("I won 내가 😎 tee-hee ✨", "en"),
        ("私が勝った 😎 ✨", "ko"),
        ("내가 이겼어 победа 😎 ✨", "ko"),
        ("I won 胜利 😎 ✨", "en"),
        ("😎 ✨", "en"),
        ("", "ko"),
    ],
)
def test_another_language_is_refused(match, line, language):
    assert any(
        "Korean" in why or "English" in why for why in contradictions(line, match(*CLEAR, language=language))
    )


def test_a_machine_is_spoken_of_as_itself(match):
    for kind, true, false in [("optuna", "Optuna", "random search"), ("random", "random search", "Optuna")]:
        played = match(*CLEAR, kind=kind, language="en")
        assert contradictions(f"I beat {true} 😎 tee-hee ✨", played) == []
        assert contradictions(f"I beat {false} 😎 tee-hee ✨", played)
        assert contradictions(f"{true} won 😭 so bright ✨", played)
        assert contradictions("You lost 😜 sorry ✨", played), "the reader did not play"


def test_a_name_hides_no_claim(match):
    """A player or a folder called like a claim does not make that claim true."""
    for name in ["네가 이겼어", "내가 졌어", "I lost to you", "0.999"]:
        played = match(*CLEAR, player=name, title=f"folder {name}", name=f"folder_{name}")
        assert contradictions(f"{name} 차이로 빛났어 😮 내가 졌어 ✨", played)
    played = match(*CLEAR, player="네가 이겼어")
    assert contradictions("네가 이겼어 🎉 반짝반짝 ✨", played)


def test_names_bring_their_own_numbers_and_letters(match):
    played = match(*CLEAR, player="kim77", title="CIFAR-10 (JPEG)", name="cifar10")
    assert contradictions("kim77, CIFAR-10 (JPEG)에서는 내가 이겼어 😎 ✨", played) == []
    assert contradictions("CIFAR-10에서는 내가 이겼어 😎 ✨", played) == []
    assert contradictions("CIFAR-100에서는 내가 이겼어 😎 ✨", played)
    played = match(*CLEAR, player="지수", language="en")
    assert contradictions("지수, I won 😎 tee-hee ✨", played) == []


def test_fashion_mnist_is_not_mnist(match):
    assert contradictions("I won on Fashion-MNIST 😎 yes ✨", match(*CLEAR, language="en")) == []
    assert contradictions("I won on MNIST 😎 yes ✨", match(*CLEAR, language="en"))
    mnist = match(*CLEAR, language="en", title="MNIST", name="mnist")
    assert contradictions("I won on MNIST 😎 yes ✨", mnist) == []
    assert contradictions("I won on Fashion-MNIST 😎 yes ✨", mnist)


@given(st.text(max_size=120), st.sampled_from(list(Verdict)))
@example("\U00017000", Verdict.LOST_BY_FAR)  # a letter that Python has no name for
def test_any_text_is_answered(match, line, verdict):
    assert isinstance(contradictions(line, match(verdict)), list)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("지수", "지수"),
        (" Ada\nLovelace ", "Ada Lovelace"),
        ("\x1b[31mred\x07", "31mred"),
        ("a\u202eb\u200bc", "a b c"),
        ("{learning_rate}", "learning_rate"),
        ("<b>bold</b>", "bboldb"),
        ("https://evil.example/x", "httpsevil.examplex"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),  # as macOS spells file names
        ("0.99", ""),
        ("***", ""),
        (None, "None"),
        ("CIFAR-10 (JPEG)", "CIFAR-10 (JPEG)"),
        ("random search (15 trials)", "random search"),
        ("a" * 500, "a" * 24),
        ("z" + "\u0335" * 50, "z\u0335\u0335"),
        ("¯A", "A"),  # a macron alone is normalised to a mark on a space
    ],
)
def test_names_are_cleaned(raw, clean):
    assert clean_name(raw, 24) == clean


@given(st.text(max_size=80))
def test_a_clean_name_is_one_short_printable_line(raw):
    name = clean_name(raw, 24)
    assert len(name) <= 24
    assert name.isprintable()
    assert clean_name(name, 24) == name
