"""Random public calls with random arguments: nothing but GenesisException comes out, and a call that raised changed nothing.

    python -m tests.fuzz.fuzz_calls --calls 5000 --seed 0

Each call is made from the seed and its number alone; the scenes start anew at every `GROUP`-th. So `--only 1234` repeats
that call (after those of its group). The calls run in processes of `CHUNK` each: one that a call ends is a finding too.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHUNK, GROUP = 500, 8
CALL_LIMIT, CHUNK_LIMIT = 20, 900  # seconds
MEMORY = 24 * 2**30  # of address space: a call that asks for terabytes shall not get what there is
CONTEXTS = (
    "",
    "",
    "",
    "",
    "",
    "",
    "no_grad",
    "inference_mode",
    "vmap",
    "func.grad",
    "dual",
    "enable_grad in inference",
)
SIGNATURE = ("required positional", "multiple values", "unexpected keyword", "positional arguments but")
AFTERWARDS = ("", "", "", "step", "rollout", "backward", "step, backward")


# -- a process that makes calls ---------------------------------------------------------------------------------------


class TooLong(BaseException):
    pass


class Worker:
    def __init__(self, seed, folder):
        import torch

        import genesis as gs

        torch.set_num_threads(1)
        gs.init(backend=gs.cpu, precision="64", seed=0, logging_level="error")
        from tests.fuzz import targets  # kernels need the precision

        warnings.simplefilter("ignore")
        self.gs, self.torch, self.targets = gs, torch, targets
        self.seed, self.folder, self.findings = seed, folder, []
        self.build()

    def build(self):
        from tests.entities.worlds import world

        other = world()[0]
        self.places = [
            self.targets.place("n_envs 0", 0, other),
            self.targets.place("n_envs 1", 1, other),
            self.targets.place("n_envs 3", 3, other),
            self.targets.place("without gradient", 3, other, requires_grad=False),
        ]
        self.expected = []
        for p in self.places:
            p.world.start()
            self.expected.append(self.targets.ordinary(p.world, True))
            self.targets.restart(p)

    def run(self, first, count, only=None):
        for number in range(first, first + count):
            if number % GROUP == 0:
                self.check_group(number)
            if only is None or number <= only:
                self.call(number)
        self.check_group(first + count)

    def report(self, number, method, kind, text, description):
        finding = {"call": number, "method": method, "kind": kind, "text": text, "description": description}
        self.findings.append(finding)
        with open(self.folder / "findings", "a") as file:
            file.write(json.dumps(finding) + "\n")
        print(f"seed {self.seed}, call {number}: {description}\n    {kind}: {text}", flush=True)

    def check_group(self, number):
        """After a restart the ordinary program gives what it gave; scenes of which that is not true are made anew."""
        begun = f"calls {max(0, number - GROUP)} to {number - 1}"
        broken = False
        for p, (state, grad) in zip(self.places, self.expected, strict=True):
            try:
                p.world.start()
                again, of_again = self.targets.ordinary(p.world, True)
                same = self.torch.equal(state, again) and (grad is None or self.torch.equal(grad, of_again))
                if not same:
                    self.report(number, "(ordinary program)", "differs", p.name, f"{p.name}, after {begun}")
                    broken = True
                self.targets.restart(p)
            except Exception as error:
                kind, text = first_line(error)
                self.report(number, "(ordinary program)", kind, text, f"{p.name}, after {begun}")
                broken = True
        if broken:
            self.build()

    # One call.

    def call(self, number):
        from tests.call_worlds import changes, snapshot

        rng = random.Random(f"{self.seed}/{number}")
        self.torch.manual_seed(number)
        p = rng.choice(self.places)
        w = p.world
        calls, properties = self.targets.targets(p)
        label, name = rng.choice(properties if rng.random() < 0.05 else calls)
        method = f"{label}.{name}"
        context, afterwards = rng.choice(CONTEXTS), rng.choice(AFTERWARDS)
        try:
            function, args, keywords, text = self.arguments(rng, p, label, name)
        except Exception as error:  # of this program, or of a getter that it asked for good values
            self.report(number, f"arguments of {method}", *first_line(error), f"{p.name}: {method}")
            return
        description = f"{p.name}: {method}({text}){' in ' + context if context else ''}"
        description += f"; then {afterwards}" if afterwards else ""
        (self.folder / "last").write_text(json.dumps({"call": number, "method": method, "description": description}))
        before = snapshot(w.scene)
        result, raised = self.attempt(
            number, method, description, lambda: self.within(context, function, args, keywords)
        )
        try:
            changed = changes(before, snapshot(w.scene)) if raised else []
        except Exception as error:
            self.report(number, method, f"snapshot: {type(error).__name__}", first_line(error)[1], description)
            return
        if changed:
            kinds = sorted({name.split()[0] for name in changed})
            self.report(number, method, "raised and changed", f"{kinds} ({raised})", description)
            w.start()
        for action in afterwards.split(", ") if afterwards else ():
            self.attempt(
                number, f"{method}, then {action}", description, lambda a=action: self.follow(a, w, result, args)
            )

    def attempt(self, number, method, description, function):
        """(its result, the name of what it raised or "")"""
        signal.alarm(CALL_LIMIT)
        try:
            result = function()
            signal.alarm(0)
            return result, ""
        except self.gs.GenesisException:
            return None, "GenesisException"
        except TypeError as error:
            # Python's own, of a call that does not fit the signature.
            if not method.startswith("gs.") or not any(words in str(error) for words in SIGNATURE):
                self.report(number, method, *first_line(error), description)
            return None, "TypeError"
        except TooLong:
            self.report(number, method, "took too long", f"more than {CALL_LIMIT} s", description)
            return None, "TooLong"
        except Exception as error:
            kind, text = first_line(error)
            self.report(number, method, kind, text, description)
            return None, kind
        finally:
            signal.alarm(0)

    def within(self, context, function, args, keywords):
        torch = self.torch
        if context == "no_grad":
            with torch.no_grad():
                return function(*args, **keywords)
        if context == "inference_mode":
            with torch.inference_mode():
                return function(*args, **keywords)
        if context == "enable_grad in inference":
            with torch.inference_mode(), torch.enable_grad():
                return function(*args, **keywords)
        place = next((k for k, value in enumerate(args) if is_plain(torch, value)), None)
        if not context or place is None:
            return function(*args, **keywords)

        def of_one(value):
            function(*args[:place], value, *args[place + 1 :], **keywords)
            return value.sum()

        given = args[place].detach()
        if context == "vmap":
            torch.func.vmap(of_one)(torch.stack([given, given]))
        elif context == "func.grad":
            torch.func.grad(of_one)(given)
        else:
            with torch.autograd.forward_ad.dual_level():
                # Of a copy: torch itself makes no dual of what shares memory among its elements.
                of_one(torch.autograd.forward_ad.make_dual(given.clone(), torch.ones_like(given)))
        return None

    def follow(self, action, w, result, args):
        if action == "step":
            w.scene.step()
        elif action == "rollout":
            w.scene.rollout(None, n_steps=2)
        elif action == "backward":
            from tests.test_boundary import tensors_in

            found = [*tensors_in(result), w.system.state()]
            losses = [v.as_subclass(self.torch.Tensor).sum() for v in found if v.requires_grad and not v.is_meta]
            if losses:
                self.torch.stack([loss.real.double() for loss in losses]).sum().backward()
                w.scene.detach()

    def arguments(self, rng, p, label, name):
        from tests.fuzz import arguments as of

        function, parameters = self.targets.resolve(p, label, name)
        if parameters is None:
            args, keywords = self.targets.creation_arguments(rng)
            shown = [short(v) for v in args] + [f"{k}={short(v)}" for k, v in keywords.items()]
            return function, args, keywords, ", ".join(shown)
        args, keywords, shown, named = [], {}, [], False
        asked = [q for q in parameters if q.kind not in (q.VAR_POSITIONAL, q.VAR_KEYWORD)]
        asked = [q for q in asked if q.default is q.empty or rng.random() < 0.4]
        # Everything good, so that the call is made; one argument wrong, so that it is the one that matters; or all of them.
        mode = rng.random()
        wrong = set() if mode < 0.25 else set(asked) if mode > 0.8 else {rng.choice(asked)} if asked else set()
        for q in asked:
            named = named or q is not parameters[len(args)]
            n = self.targets.size_of(p, label, q.name)
            if n is not None:
                usual = [one for one in of.INDICES if one[0] in ("None", "0", "[0]", "slice(None)", "[-1]")]
                text, make = rng.choice(of.INDICES if q in wrong else usual)
                value = make(n)
            else:
                text, value = self.targets.good(rng, p, label, name, q.name)
                if q in wrong and isinstance(value, self.torch.Tensor) and rng.random() < 0.75:
                    text, value = of.spoiled(rng, p.world, value)
                elif q in wrong:
                    text, value = of.junk(rng, p.world)
                elif isinstance(value, self.torch.Tensor) and rng.random() < 0.3:
                    value = value.detach().clone().requires_grad_()
                    text += " leaf"
            shown.append(f"{q.name}={text}")
            if named or q.kind is q.KEYWORD_ONLY:
                keywords[q.name] = value
            else:
                args.append(value)
        return function, args, keywords, ", ".join(shown)


def is_plain(torch, value):
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_inference() or value.is_nested or value.is_quantized)
        and value.dtype in (torch.float32, torch.float64)
    )


def first_line(error):
    text = str(error)
    return type(error).__name__, text.splitlines()[0][:150] if text else ""


def short(value):
    shape = getattr(value, "shape", None)
    return f"tensor{tuple(shape)}" if shape is not None else repr(value)[:40]


def work(seed, first, count, only, folder):
    sys.path.insert(0, str(ROOT))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def stop(*_):
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    worker = Worker(seed, folder)
    here = folder / "files"  # what is written by name goes there
    here.mkdir(exist_ok=True)
    os.chdir(here)
    worker.run(first, count, only)


# -- the process that starts them -------------------------------------------------------------------------------------


def chunk(seed, first, count, only=None):
    """(findings, the first call that was not made): fewer calls than asked for if one ended the process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.fuzz_calls",
            "--seed",
            str(seed),
            "--worker",
            str(first),
            str(count),
        ]
        command += ["--folder", name] + ([] if only is None else ["--only", str(only)])
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with open(folder / "errors", "w") as errors:
            child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=errors, cwd=ROOT)
            try:
                code = child.wait(CHUNK_LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                code = "stuck"
        lines = (folder / "findings").read_text().splitlines() if (folder / "findings").exists() else []
        findings = [json.loads(line) for line in lines]
        if code == 0:
            return findings, first + count
        text = [line for line in (folder / "errors").read_text().splitlines() if line.strip()]
        if not (folder / "last").exists():
            raise SystemExit("The worker did not begin:\n" + "\n".join(text[-20:]))
        last = json.loads((folder / "last").read_text())
        how = f"signal {-code}" if isinstance(code, int) and code < 0 else f"code {code}"
        why = next((line for line in text if line.startswith("Fatal")), text[-1] if text else "")[:150]
        finding = {**last, "kind": f"process ended ({how})", "text": why}
        print(f"seed {seed}, call {last['call']}: {last['description']}\n    {finding['kind']}: {why}", flush=True)
        return [*findings, finding], last["call"] + 1


def table(findings):
    """One line for each kind of finding, the most frequent first."""
    groups = defaultdict(list)
    for finding in findings:
        groups[finding["method"], finding["kind"], finding["text"]].append(finding)
    lines = []
    for (method, kind, text), members in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(
            f"{len(members):4}  {method}  {kind}: {text}\n        call {members[0]['call']}: {members[0]['description']}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz_calls", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    parser.add_argument("--stop", action="store_true", help="stop after the first process with a finding")
    parser.add_argument("--only", type=int, help="one call, after those of its group")
    parser.add_argument("--table", type=Path, help="file that the table is written to")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.seed, *given.worker, given.only, given.folder)
        return 0
    first, end = given.first, given.first + given.calls
    if given.only is not None:
        first = given.only - given.only % GROUP
        end = given.only + 1
    findings, begun = [], time.time()
    while first < end:
        found, first = chunk(given.seed, first, min(CHUNK, end - first), given.only)
        findings += found
        if given.stop and findings:
            break
    text = table(findings)
    print(f"\n{first - given.first} calls in {time.time() - begun:.0f} s, {len(findings)} findings\n{text}")
    if given.table:
        given.table.write_text(text + "\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
