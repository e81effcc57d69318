"""What would be sent, what the Hub has, what differs, and the sending."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HTTPError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import disable_progress_bars

from ohlora import __version__
from ohlora.durable import replace_file
from ohlora.errors import OhloraError
from ohlora.pretrained import why
from ohlora.provenance import current_commit
from ohlora.publish.contents import Content, contents_of
from ohlora.publish.jobs import Publish, Repository
from ohlora.text import printable

MB = 1_000_000
HUBS_OWN = {".gitattributes"}  # files that the Hub itself puts into a repository
NO_TOKEN = "no token of the Hugging Face Hub: run `hf auth login`, or set HF_TOKEN"


class Differs(OhloraError):
    """The Hub has something else than is here."""

    exit_code = 1


@dataclass(frozen=True)
class Difference:
    """What is not the same here and there, as paths in the repository."""

    missing: list[str]  # there
    changed: list[str]
    only_there: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.only_there)

    def lines(self) -> Iterator[str]:
        told = (
            ("missing there", self.missing),
            ("another digest", self.changed),
            ("only there", self.only_there),
        )
        for what, paths in told:
            yield from (f"  {what:<15} {printable(path)}" for path in paths)


def run_publish(job: Publish) -> None:
    """Print what would be sent, or compare with the Hub, or send."""
    api = HfApi(library_name="ohlora", library_version=__version__)
    if not sys.stderr.isatty():
        disable_progress_bars()
    owner = job.owner or ("OWNER" if job.dry_run and not job.check else user_of(api))
    if not job.dry_run and get_token() is None:
        raise OhloraError(NO_TOKEN)
    chosen = [job.repositories[name] for name in job.only or job.repositories]
    whole: list[tuple[Repository, str, list[Content]]] = []
    faults = []
    for repository in chosen:
        repo_id = f"{owner}/{repository.name}"
        try:
            whole.append((repository, repo_id, contents_of(repository, repo_id)))
        except OhloraError as error:
            faults.append(str(error))
    if faults:
        raise OhloraError("; ".join(faults))
    if job.check:
        check(api, whole)
    elif job.dry_run:
        tell(whole, Path(job.output_dir), owned=job.owner is not None)
    else:
        for repository, repo_id, contents in whole:
            send(api, repository, repo_id, contents, private=job.private)


def user_of(api: HfApi) -> str:
    """The user whose token this machine has."""
    if get_token() is None:
        raise OhloraError(f"{NO_TOKEN}; or say whose repositories are meant: owner=NAME")
    with one_line("the token's user", api):
        return str(api.whoami()["name"])


def tell(whole: Sequence[tuple[Repository, str, list[Content]]], folder: Path, owned: bool) -> None:
    """A dry run: every file and its size; the cards are left in `folder` to be read."""
    for repository, repo_id, contents in whole:
        print(f"{repo_id} ({repository.kind}): {counted(contents)}")
        for one in contents:
            print(f"  {one.size:>12,}  {one.path}")
        readme = folder / repository.name / "README.md"
        replace_file(readme, contents[0].data)
        print(f"  its card: {readme.as_posix()}")
    if len(whole) > 1:
        print(f"together {counted([one for _, _, contents in whole for one in contents])}")
    print("a dry run: nothing was sent. dry_run=false sends it, check=true says what differs on the Hub")
    if not owned:
        print("OWNER is whom the token belongs to, unless owner=NAME says another user or an organisation")


def counted(contents: Sequence[Content]) -> str:
    return f"{len(contents)} files, {sum(one.size for one in contents) / MB:.2f} MB"


def check(api: HfApi, whole: Sequence[tuple[Repository, str, list[Content]]]) -> None:
    """Print what differs on the Hub. Raises Differs if anything does, OhloraError for what is not there."""
    faults, different = [], []
    for repository, repo_id, contents in whole:
        try:
            difference = compare(api, repository, repo_id, contents)
        except OhloraError as error:
            faults.append(str(error))
            continue
        print(
            f"{repo_id} ({repository.kind}): {'differs' if difference else f'the same, {counted(contents)}'}"
        )
        for line in difference.lines():
            print(line)
        different += [repo_id] * bool(difference)
    if faults:
        raise OhloraError("; ".join(dict.fromkeys(faults)))
    if different:
        raise Differs(f"what is on the Hub differs from what is here: {', '.join(different)}")


def send(api: HfApi, repository: Repository, repo_id: str, contents: list[Content], private: bool) -> None:
    """Make the repository where there is none, and send in one commit what is not there yet."""
    with one_line(repo_id, api):
        # A token that may write to a repository need not be one that may make some.
        if not api.repo_exists(repo_id, repo_type=repository.kind):
            api.create_repo(repo_id, repo_type=repository.kind, private=private, exist_ok=True)
        difference = compare(api, repository, repo_id, contents)
        wanted = {*difference.missing, *difference.changed}
        sent = [one for one in contents if one.path in wanted]
        if sent:
            api.create_commit(
                repo_id,
                [CommitOperationAdd(one.path, one.source) for one in sent],
                commit_message=f"ohlora {__version__}, commit {current_commit()}",
                repo_type=repository.kind,
            )
    print(f"{repo_id} ({repository.kind}): {f'sent {counted(sent)}' if sent else 'up to date'}")
    for path in difference.only_there:
        print(f"  only there, left as it is: {printable(path)}")


def compare(api: HfApi, repository: Repository, repo_id: str, contents: Sequence[Content]) -> Difference:
    """The repository as it is on the Hub beside what is here, by the digests of the files."""
    with one_line(repo_id, api):
        now = api.repo_info(repo_id, repo_type=repository.kind).sha
        tree = api.list_repo_tree(repo_id, recursive=True, revision=now, repo_type=repository.kind)
        there = {one.path: one for one in tree if isinstance(one, RepoFile)}
    here = {one.path: one for one in contents}
    return Difference(
        missing=[path for path in here if path not in there],
        changed=[path for path, one in here.items() if path in there and not same(one, there[path])],
        only_there=sorted(there.keys() - here.keys() - HUBS_OWN),
    )


def same(here: Content, there: RepoFile) -> bool:
    return here.sha256 == there.lfs.sha256 if there.lfs else here.git_oid == there.blob_id


@contextmanager
def one_line(what: str, api: HfApi) -> Iterator[None]:
    """Turn what the Hub, the network or huggingface_hub refuses into one line."""
    try:
        yield
    # ValueError: a card or a name that it refuses; RuntimeError: an upload that broke off.
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise OhloraError(f"{what} on {api.endpoint}: {why(error)}") from None
