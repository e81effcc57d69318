"""What the match says of itself on the screen; what Oh-LoRA says is the narrator's."""

from __future__ import annotations

from rich.markup import escape

from ohlora.space import Axis, Real
from ohlora.text import printable

LONGEST = 2000  # characters of a path or a command

PHRASES: dict[str, dict[str, str]] = {
    "ohlora": {"en": "Oh-LoRA", "ko": "오로라"},
    "you": {"en": "you", "ko": "너"},
    "random": {"en": "random search ({trials} trials)", "ko": "무작위 탐색 ({trials}회)"},
    "static": {"en": "best on average", "ko": "평균 최적"},
    "static_dataset": {"en": "best on average for {dataset}", "ko": "{dataset} 평균 최적"},
    "optuna": {"en": "Optuna {sampler} ({trials} trials)", "ko": "Optuna {sampler} ({trials}회)"},
    "hello": {
        "en": "Oh-LoRA challenges you to a hyperparameter battle on {title}!",
        "ko": "오로라가 {title} 하이퍼파라미터 배틀을 신청했어!",
    },
    "subset": {
        "en": "{n} training images, {k} classes: {counts}",
        "ko": "학습 이미지 {n}장, 클래스 {k}개: {counts}",
    },
    "sheet": {"en": "look at them: {path}", "ko": "이미지 구경하기: {path}"},
    "fallback": {
        "en": "{reason} - playing on {title} instead",
        "ko": "{reason} - 대신 {title} 데이터셋으로 플레이할게",
    },
    "other_protocol": {
        "en": "her predictor learned from trials of another length or network"
        " (protocol {fitted}, here {now}); the score she expects is left out",
        "ko": "오로라의 예측기는 길이나 네트워크가 다른 학습으로 배웠어 (프로토콜 {fitted}, 여기는 {now}):"
        " 플레이는 하지만 예상 점수는 말하지 않을게",
    },
    "sealed": {
        "en": "Oh-LoRA looked for {ms:.0f} ms and sealed her choice (seal {seal})",
        "ko": "오로라는 {ms:.0f} ms 동안 보고 선택을 봉인했어 (봉인 {seal})",
    },
    "training": {"en": "{name}: training attempt {number}", "ko": "{name}: {number}번째 시도 학습 중"},
    "training_meanwhile": {
        "en": "Oh-LoRA trains her sealed choice while you make yours",
        "ko": "네가 고르는 동안 오로라는 봉인한 선택을 학습 중",
    },
    "scoring": {
        "en": "{name}: scoring on fresh seeds, {number} of {n}",
        "ko": "{name}: 새 시드로 채점 중, {n}개 중 {number}번째",
    },
    "your_val": {
        "en": "validation macro-F1 of your first attempt: [b]{score:.3f}[/b]",
        "ko": "첫 번째 시도의 검증 macro-F1: [b]{score:.3f}[/b]",
    },
    "attempt": {
        "en": "Attempt {number}: type a value or an option's number, Enter keeps the one in brackets"
        " (? explains, back goes one back, Ctrl-D ends)",
        "ko": "{number}번째 시도: 값이나 보기 번호를 입력해, Enter는 괄호 안의 값 그대로"
        " (?는 설명, back은 하나 뒤로, Ctrl-D는 그만)",
    },
    "no_attempt": {
        "en": "the terminal closed before every hyperparameter of the first attempt was chosen",
        "ko": "첫 번째 시도의 하이퍼파라미터를 다 고르기 전에 터미널이 닫혔어",
    },
    "not_allowed": {"en": "{name}={answer} is not allowed: {range}", "ko": "{name}={answer}: 안 돼, {range}"},
    "rules_card": {"en": "Rules card", "ko": "규칙 카드"},
    "hyperparameter": {"en": "hyperparameter", "ko": "하이퍼파라미터"},
    "range": {"en": "range", "ko": "범위"},
    "meaning": {"en": "what it does", "ko": "하는 일"},
    "result": {"en": "Result", "ko": "결과"},
    "val": {"en": "val F1", "ko": "검증 F1"},
    "test": {"en": "test F1", "ko": "테스트 F1"},
    "predicted": {
        "en": "she had expected {f1:.3f} (give or take {sd:.3f}) of her own",
        "ko": "오로라가 예상한 자기 점수는 {f1:.3f} (±{sd:.3f})",
    },
    "won_challenger": {"en": "{name} won!", "ko": "{name} 승리!"},
    "won_you": {"en": "You won!", "ko": "네가 이겼어!"},
    "won_ohlora": {"en": "Oh-LoRA won!", "ko": "오로라 승리!"},
    "won_draw": {"en": "A draw!", "ko": "무승부!"},
    "verdict_1": {"en": "first attempt: {verdict}", "ko": "첫 번째 시도: {verdict}"},
    "verdict_2": {"en": "second attempt: {verdict}", "ko": "두 번째 시도: {verdict}"},
    "lost_by_far": {"en": "lost by far ({d})", "ko": "완패 ({d})"},
    "lost_clearly": {"en": "lost clearly ({d})", "ko": "확실한 패배 ({d})"},
    "lost_narrowly": {"en": "lost narrowly ({d})", "ko": "아쉬운 패배 ({d})"},
    "draw": {"en": "a draw", "ko": "무승부"},
    "won_narrowly": {"en": "won narrowly ({d})", "ko": "아슬아슬한 승리 ({d})"},
    "won_clearly": {"en": "won clearly ({d})", "ko": "확실한 승리 ({d})"},
    "won_by_far": {"en": "won by far ({d})", "ko": "압승 ({d})"},
    "seal": {
        "en": "seal {seal} is open: match.json has the salt and says how to check it",
        "ko": "봉인 {seal} 공개: match.json에 솔트와 확인하는 방법이 있어",
    },
    "again": {"en": "the same subset again: {command}", "ko": "같은 문제로 다시: {command}"},
    "files": {"en": "match, curves and contact sheet: {path}", "ko": "기록, 학습 곡선, 이미지: {path}"},
}

# What `?` and the rules card say of each hyperparameter.
MEANINGS: dict[str, dict[str, str]] = {
    "dropout_conv_early": {
        "en": "dropout after the first convolution: more of it regularises more",
        "ko": "첫 합성곱 뒤의 드롭아웃: 클수록 규제가 세",
    },
    "dropout_conv_late": {
        "en": "dropout after the second convolution",
        "ko": "두 번째 합성곱 뒤의 드롭아웃",
    },
    "dropout_fc": {
        "en": "dropout before the last layer: few images want more",
        "ko": "마지막 층 앞의 드롭아웃: 이미지가 적을수록 크게",
    },
    "learning_rate": {
        "en": "size of the optimiser's steps: the one that matters most",
        "ko": "옵티마이저의 걸음 크기: 가장 중요한 값",
    },
    "activation": {"en": "what follows each convolution", "ko": "합성곱 뒤의 활성화 함수"},
    "optimizer": {
        "en": "adamw decays weights apart from the gradient",
        "ko": "adamw는 가중치 감쇠를 기울기와 따로 해",
    },
    "scheduler": {
        "en": "how the learning rate falls: exp_80 fast, exp_98 slow, cosine to zero at the end",
        "ko": "학습률이 줄어드는 모양: exp_80은 빠르게, exp_98은 느리게, cosine은 끝에 0",
    },
    "weight_decay": {"en": "pull of all weights towards zero", "ko": "가중치를 0으로 당기는 힘"},
    "batch_size": {"en": "images in each step", "ko": "한 걸음에 쓰는 이미지 수"},
    "label_smoothing": {
        "en": "share of each label that is spread over all classes",
        "ko": "정답 라벨에서 모든 클래스로 나누어 주는 몫",
    },
    "augmentation": {
        "en": "random changes of the training images: flip only where mirrored images are the same class",
        "ko": "학습 이미지에 주는 무작위 변형: 좌우를 뒤집어도 같은 클래스일 때만 flip",
    },
}


def say(key: str, language: str, **values: object) -> str:
    """The phrase `key` in `language` (ko | en) as rich markup, its gaps filled; text in them is no markup."""
    safe = {name: literal(value) if isinstance(value, str) else value for name, value in values.items()}
    return PHRASES[key][language].format(**safe)


def literal(text: str) -> str:
    """Text from outside as markup that shows it as it is; no tag may follow it at once."""
    return escape(printable(text, LONGEST) + " ")[:-1]  # escape doubles a backslash at the very end


def plain(key: str, language: str, **values: object) -> str:
    """The phrase `key` in `language` as plain text, its gaps filled."""
    return PHRASES[key][language].format(**values)


def meaning(name: str, language: str) -> str:
    """What a hyperparameter does; empty for one that has no words yet."""
    return MEANINGS.get(name, {}).get(language, "")


def range_text(axis: Axis, language: str) -> str:
    """`2e-05 to 0.006 (log)` or `relu | leaky_relu`, in `language`."""
    if isinstance(axis, Real) and language == "ko":
        return f"{axis.low:g} ~ {axis.high:g}" + (" (로그)" if axis.log else "")
    return str(axis)
