"""What the match says of itself on the screen; what Oh-LoRA says is the narrator's."""

from __future__ import annotations

PHRASES: dict[str, dict[str, str]] = {
    "ohlora": {"en": "Oh-LoRA", "ko": "오로라"},
    "you": {"en": "you", "ko": "너"},
    "random": {"en": "random search ({trials} trials)", "ko": "무작위 탐색 ({trials}회)"},
    "static": {"en": "best on average", "ko": "평균 최적"},
    "static_dataset": {"en": "best on average for {dataset}", "ko": "{dataset} 평균 최적"},
    "optuna": {"en": "Optuna {sampler} ({trials} trials)", "ko": "Optuna {sampler} ({trials}회)"},
    "hello": {
        "en": "Oh-LoRA challenges you to a hyperparameter battle on [b]{title}[/b]!",
        "ko": "오로라가 [b]{title}[/b] 하이퍼파라미터 배틀을 신청했어!",
    },
    "subset": {
        "en": "{n} training images, {k} classes: {counts}",
        "ko": "학습 이미지 {n}장, 클래스 {k}개: {counts}",
    },
    "sheet": {"en": "look at them: {path}", "ko": "이미지 구경하기: {path}"},
    "fallback": {
        "en": "{reason} - playing on {title} instead",
        "ko": "{reason} - 대신 {title}(으)로 플레이할게",
    },
    "sealed": {
        "en": "Oh-LoRA looked for {ms:.0f} ms and sealed her choice (seal {seal})",
        "ko": "오로라는 {ms:.0f} ms 동안 보고 선택을 봉인했어 (봉인 {seal})",
    },
    "training": {
        "en": "{name}: training attempt {number} ...",
        "ko": "{name}: {number}번째 시도 학습 중 ...",
    },
    "scoring": {
        "en": "{name}: scoring on three fresh seeds ...",
        "ko": "{name}: 새 시드 세 개로 채점 중 ...",
    },
    "your_val": {
        "en": "validation macro-F1 of your first attempt: [b]{score:.3f}[/b]",
        "ko": "첫 번째 시도의 검증 macro-F1: [b]{score:.3f}[/b]",
    },
    "attempt": {
        "en": "Attempt {number}: type a value, or Enter to keep the one in brackets",
        "ko": "{number}번째 시도: 값을 입력하거나, Enter로 괄호 안의 값을 그대로 써",
    },
    "rules_card": {"en": "Rules card", "ko": "규칙 카드"},
    "hyperparameter": {"en": "hyperparameter", "ko": "하이퍼파라미터"},
    "range": {"en": "range", "ko": "범위"},
    "result": {"en": "Result", "ko": "결과"},
    "val": {"en": "val F1", "ko": "검증 F1"},
    "test": {"en": "test F1", "ko": "테스트 F1"},
    "predicted": {
        "en": "she had expected {f1:.3f} (give or take {sd:.3f}) of her own",
        "ko": "오로라가 예상한 자기 점수는 {f1:.3f} (±{sd:.3f})",
    },
    "won_challenger": {"en": "{name} won!", "ko": "{name} 승리!"},
    "won_ohlora": {"en": "Oh-LoRA won!", "ko": "오로라 승리!"},
    "won_draw": {"en": "A draw!", "ko": "무승부!"},
    "verdict_1": {"en": "first attempt: {verdict}", "ko": "첫 번째 시도: {verdict}"},
    "verdict_2": {"en": "second attempt: {verdict}", "ko": "두 번째 시도: {verdict}"},
    "lost_by_far": {"en": "lost by far ({d:+.3f})", "ko": "완패 ({d:+.3f})"},
    "lost_clearly": {"en": "lost clearly ({d:+.3f})", "ko": "확실한 패배 ({d:+.3f})"},
    "lost_narrowly": {"en": "lost narrowly ({d:+.3f})", "ko": "아쉬운 패배 ({d:+.3f})"},
    "draw": {"en": "a draw", "ko": "무승부"},
    "won_narrowly": {"en": "won narrowly ({d:+.3f})", "ko": "아슬아슬한 승리 ({d:+.3f})"},
    "won_clearly": {"en": "won clearly ({d:+.3f})", "ko": "확실한 승리 ({d:+.3f})"},
    "won_by_far": {"en": "won by far ({d:+.3f})", "ko": "압승 ({d:+.3f})"},
    "again": {
        "en": "the same subset again: {command}",
        "ko": "같은 문제로 다시: {command}",
    },
    "files": {"en": "match, curves and contact sheet: {path}", "ko": "기록, 학습 곡선, 이미지: {path}"},
}


def say(key: str, language: str, **values: object) -> str:
    """The phrase `key` in `language` (ko | en), its gaps filled."""
    return PHRASES[key][language].format(**values)
