"""Nothing is written into the script's folder, and the script sees all that it wrote."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import pytest

from tests.script.conftest import Run

Listing = dict[str, tuple[int, int, str]]

START = """
import errno, glob, os, pathlib, shutil, sys
from pathlib import Path
def raises(kind, call, *args, **named):
    try:
        call(*args, **named)
    except kind as problem:
        return problem
    raise SystemExit(f"line {sys._getframe(1).f_lineno}: no {kind.__name__}")
"""


def listing(folder: Path) -> Listing:
    """Mode, time of change and digest of everything below."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        facts = path.lstat()
        text = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        if path.name != "train.py":
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, hashlib.sha256(text).hexdigest())
    return found


def unharmed(run: Run, folder: Path, text: str) -> list[str]:
    """Run it in a folder with files of all kinds; returns what it printed."""
    (folder / "data/deep/er").mkdir(parents=True)
    (folder / "data/a.txt").write_text("a\n")
    (folder / "data/deep/b.txt").write_text("b\n")
    (folder / "data/deep/er/c.bin").write_bytes(bytes(1000))
    (folder / "empty").mkdir()
    (folder / "link.txt").symlink_to("data/a.txt")
    (folder / ".git").mkdir()
    (folder / "train.py").touch()
    before = listing(folder)
    ran = run(START + textwrap.dedent(text))
    assert ran.facts.error is None and ran.facts.ending == "script_ended", (ran.facts.error, ran.lines)
    assert listing(folder) == before
    return ran.lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def test_files_that_are_written_are_read_back_and_lie_nowhere_else(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        raises(FileNotFoundError, open, "runs/x.txt", "w")
        os.makedirs("runs/1", exist_ok=True); os.makedirs("runs/1", exist_ok=True)
        raises(FileExistsError, os.mkdir, "data"); raises(FileExistsError, os.mkdir, "runs")
        with open("runs/1/x.txt", "w") as f: f.write("one")
        with open("runs/1/x.txt", "a") as f: f.write(" two")
        assert open("runs/1/x.txt").read() == "one two" == Path("runs/1/x.txt").read_text()
        with open("data/a.txt", "a") as f: f.write("more\\n")
        assert Path("data/a.txt").read_text() == "a\\nmore\\n" and Path("link.txt").read_text() == "a\\nmore\\n"
        with open("data/deep/b.txt", "r+") as f: f.seek(1); f.write("!")
        assert Path("data/deep/b.txt").read_text() == "b!"
        with open(b"data/deep/er/c.bin", "wb") as f: f.write(b"new")
        assert os.path.getsize("data/deep/er/c.bin") == 3
        raises(FileExistsError, open, "data/a.txt", "x"); open("data/x.txt", "x").close()
        raises(FileExistsError, open, "data/x.txt", "x"); raises(FileNotFoundError, open, "data/none", "r+")
        assert str(raises(FileNotFoundError, open, "nothing.txt").filename) == "nothing.txt"
        raises(IsADirectoryError, open, "data", "w")
        fd = os.open("data/low.bin", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600); os.write(fd, b"low"); os.close(fd)
        raises(FileExistsError, os.open, "data/a.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        fd = os.open("data/low.bin", os.O_RDONLY); assert os.read(fd, 9) == b"low"; os.close(fd)
        raises(FileNotFoundError, os.open, "data/none", os.O_WRONLY)
        import io, codecs, gzip, bz2, lzma, tarfile, zipfile, logging, csv, json, tempfile, pickle
        io.open("io.txt", "w").close(); codecs.open("codecs.txt", "w").close()
        for module in (gzip, bz2, lzma):
            with module.open("packed", "wt") as f: f.write("packed")
            assert module.open("packed", "rt").read() == "packed"
        with tarfile.open("t.tar.gz", "w:gz") as tar: tar.add("data/a.txt")
        with zipfile.ZipFile("z.zip", "w") as z: z.write("data/a.txt")
        shutil.unpack_archive("z.zip", "unpacked"); assert Path("unpacked/data/a.txt").read_text() == "a\\nmore\\n"
        logging.getLogger().addHandler(logging.FileHandler("runs/log.txt")); logging.warning("logged")
        assert "logged" in Path("runs/log.txt").read_text()
        with tempfile.NamedTemporaryFile(dir=".") as f: assert os.path.exists(f.name)
        with tempfile.TemporaryFile(dir="runs") as f: f.write(b"x")
        with tempfile.TemporaryDirectory(dir="runs") as f: Path(f, "x").touch()
        assert not os.path.exists(f)
        class Files:
            opener = open
            def first(self): return self.opener("data/a.txt").readline()
        assert Files().first() == "a\\n"
        Path("runs/p.txt").write_text("p"); Path("runs/touched").touch(); Path("data/a.txt").touch()
        assert Path("runs/touched").exists() and os.path.isfile("runs/p.txt")
        os.truncate("runs/p.txt", 0); assert os.stat("runs/p.txt").st_size == 0
        os.chmod("data/a.txt", 0o600); os.utime("data/deep/b.txt", (1, 1)); os.chmod("data/deep", 0o700)
        assert os.stat("data/deep/b.txt").st_mtime == 1
    """,
    )


def test_names_are_merged_and_removed_ones_are_gone(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        Path("data/new.txt").write_text("n"); os.remove("data/a.txt")
        assert sorted(os.listdir("data")) == ["deep", "new.txt"] == sorted(e.name for e in os.scandir("data"))
        assert sorted(os.listdir(b"data")) == [b"deep", b"new.txt"]
        raises(FileNotFoundError, open, "data/a.txt"); raises(FileNotFoundError, os.remove, "data/a.txt")
        assert not os.path.exists("data/a.txt") and not Path("data/a.txt").is_file()
        raises(FileNotFoundError, os.stat, "data/a.txt"); assert not os.path.exists("link.txt")
        assert os.path.islink("link.txt")
        assert sorted(glob.glob("data/*")) == ["data/deep", "data/new.txt"]
        assert sorted(map(str, Path("data").rglob("*.txt"))) == ["data/deep/b.txt", "data/new.txt"]
        assert sorted(p.name for p in Path("data").iterdir()) == ["deep", "new.txt"]
        assert [(r, sorted(d), sorted(f)) for r, d, f in os.walk("data")][0] == ("data", ["deep"], ["new.txt"])
        with os.scandir("data") as entries:
            kinds = {e.name: (e.is_dir(), e.is_file(), e.is_symlink(), os.fspath(e)) for e in entries}
        assert kinds == {"deep": (True, False, False, "data/deep"), "new.txt": (False, True, False, "data/new.txt")}
        raises(OSError, os.rmdir, "data/deep"); os.rmdir("empty"); raises(FileNotFoundError, os.listdir, "empty")
        os.mkdir("empty"); assert os.listdir("empty") == []
        shutil.rmtree("data/deep"); assert os.listdir("data") == ["new.txt"] and not Path("data/deep/b.txt").exists()
        os.makedirs("data/deep"); assert os.listdir("data/deep") == [] and not Path("data/deep/b.txt").exists()
        shutil.rmtree("data"); assert not os.path.exists("data"); raises(FileNotFoundError, open, "data/x", "w")
        os.mkdir("data"); open("data/x", "w").close(); assert os.listdir("data") == ["x"]
        assert "data" in os.listdir() and "train.py" in os.listdir(".")
        os.remove("train.py"); assert not os.path.exists(__file__)
    """,
    )


def test_moving_copying_and_linking(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        import tempfile
        os.mkdir("tmp-5"); Path("tmp-5/w.bin").write_text("w"); os.rename("tmp-5", "checkpoint-5")
        assert os.listdir("checkpoint-5") == ["w.bin"] and not os.path.exists("tmp-5")
        os.rename("data/a.txt", "data/z.txt"); assert sorted(os.listdir("data")) == ["deep", "z.txt"]
        Path("new.txt").write_text("new"); os.replace("new.txt", "data/deep/b.txt")
        assert Path("data/deep/b.txt").read_text() == "new" and not Path("new.txt").exists()
        os.rename("data/deep", "moved"); assert sorted(os.listdir("moved")) == ["b.txt", "er"]
        assert Path("moved/er/c.bin").stat().st_size == 1000 and Path("moved/b.txt").read_text() == "new"
        assert os.listdir("data") == ["z.txt"]
        raises(FileNotFoundError, os.rename, "none", "x"); raises(OSError, os.rename, "moved", "data")
        raises(IsADirectoryError, os.rename, "data/z.txt", "moved")
        shutil.copy("data/z.txt", "c1"); shutil.copy2("data/z.txt", "c2"); shutil.copyfile("c1", "c3")
        shutil.copytree("moved", "tree"); assert sorted(os.listdir("tree")) == ["b.txt", "er"]
        shutil.move("c1", "tree"); shutil.move("tree", "branch"); assert Path("branch/c1").read_text() == "a\\n"
        shutil.move("data/z.txt", "branch/z.txt"); assert os.listdir("data") == []
        os.symlink("c2", "latest"); assert Path("latest").read_text() == "a\\n" and os.readlink("latest") == "c2"
        os.unlink("latest"); os.symlink("branch/er", "latest"); assert os.listdir("latest") == ["c.bin"]
        raises(FileExistsError, os.symlink, "c2", "link.txt")
        os.symlink(os.path.abspath("moved"), "absolute"); assert sorted(os.listdir("absolute")) == ["b.txt", "er"]
        os.symlink("empty", "real"); os.rmdir("empty"); assert not os.path.exists("real") and os.path.lexists("real")
        os.link("c2", "hard"); assert Path("hard").read_text() == "a\\n"
        with tempfile.TemporaryDirectory() as other:
            Path(other, "t").write_text("t"); os.replace(f"{other}/t", "from_tmp")
            assert Path("from_tmp").read_text() == "t"
            shutil.move("from_tmp", f"{other}/u"); assert os.listdir(other) == ["u"]
            shutil.move("link.txt", f"{other}/l"); assert not os.path.lexists("link.txt")
            assert Path(f"{other}/u").resolve().is_file()
    """,
    )


def test_a_folder_of_the_overlay_can_be_worked_in(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        here = os.getcwd()
        os.makedirs("outputs/today"); os.chdir("outputs/today")
        assert os.getcwd() == f"{here}/outputs/today" == str(Path.cwd()) == os.path.abspath(".")
        Path("x.txt").write_text("x"); assert os.listdir() == ["x.txt"] and open("../../data/a.txt").read() == "a\\n"
        assert os.path.realpath("x.txt") == f"{here}/outputs/today/x.txt" == str(Path("x.txt").resolve())
        os.chdir(here); assert Path("outputs/today/x.txt").read_text() == "x" and os.getcwd() == here
        os.chdir("data"); Path("in_data").touch(); assert sorted(os.listdir()) == ["a.txt", "deep", "in_data"]
        os.chdir(".."); raises(FileNotFoundError, os.chdir, "nowhere"); assert os.getcwd() == here
        fd = os.open("data", os.O_RDONLY | os.O_DIRECTORY)
        os.mkdir("by_fd", dir_fd=fd); assert os.path.isdir("data/by_fd"); os.close(fd)
        child = os.fork()
        if not child:
            Path("by_child").write_text("c"); os._exit(0)
        os.waitpid(child, 0); Path("mine").touch(); assert Path("by_child").read_text() == "c"
    """,
    )


def test_processes_of_the_script_write_there_too(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        import multiprocessing, pickle, subprocess
        def main():
            os.makedirs("out/deep"); Path("out/mine").write_text("m")
            code = "open('made', 'w').write(open('../mine').read() + open('../../data/a.txt').read())"
            subprocess.run([sys.executable, "-c", code], cwd="out/deep", check=True)
            assert Path("out/deep/made").read_text() == "ma\\n"
            process = multiprocessing.get_context("spawn").Process(target=os.mkdir, args=("out/spawned",))
            process.start(); process.join()
            assert sorted(os.listdir("out")) == ["deep", "mine", "spawned"]
            assert pickle.loads(pickle.dumps([open, os.stat])) == [open, os.stat]
        if __name__ == "__main__":
            main()
    """,
    )


def test_libraries_that_write_below_python(run_script: Run, folder: Path) -> None:
    unharmed(
        run_script,
        folder,
        """
        import sqlite3
        import cv2, h5py, numpy as np, torch
        from PIL import Image
        from safetensors.torch import load_file, save_file
        os.mkdir("out")
        model = torch.nn.Linear(2, 2)
        torch.save(model.state_dict(), "out/m.pt"); assert torch.load("out/m.pt")["bias"].shape == (2,)
        torch.save(model.state_dict(), Path("out/m2.pt"))
        assert torch.load("out/m2.pt", mmap=True)["bias"].shape == (2,)
        torch.save([1], "out/old.pt", _use_new_zipfile_serialization=False); assert torch.load("out/old.pt") == [1]
        assert raises((RuntimeError, FileNotFoundError), torch.save, {}, "nowhere/m.pt")
        torch.jit.save(torch.jit.script(model), "out/s.pt"); torch.jit.load("out/s.pt")
        np.save("out/a.npy", np.arange(3)); assert np.load("out/a.npy", mmap_mode="r+")[2] == 2
        np.savez("out/a.npz", x=np.ones(2)); np.savetxt("out/a.csv", np.ones(2)); np.ones(2).tofile("out/raw")
        m = np.memmap("out/mm", dtype="float32", mode="w+", shape=(4,)); m[:] = 1; m.flush()
        assert np.fromfile("out/raw").tolist() == [1, 1] and np.memmap("out/mm", dtype="float32").sum() == 4
        m = np.memmap("data/deep/er/c.bin", dtype="uint8", mode="r+"); m[:] = 7; m.flush()
        save_file({"w": torch.ones(2)}, "out/w.safetensors"); assert load_file("out/w.safetensors")["w"].sum() == 2
        with h5py.File("out/h.h5", "w") as f: f["x"] = np.ones(3)
        with h5py.File("out/h.h5", "a") as f: f["y"] = np.ones(3)
        with h5py.File("out/h.h5") as f: assert sorted(f) == ["x", "y"]
        assert isinstance(f, h5py.File)
        assert cv2.imwrite("out/i.png", np.zeros((4, 4, 3), np.uint8)) and cv2.imread("out/i.png").shape == (4, 4, 3)
        Image.new("RGB", (4, 4)).save("out/p.jpg"); assert Image.open("out/p.jpg").size == (4, 4)
        base = sqlite3.connect("out/d.db"); base.execute("create table t (x)"); base.commit(); base.close()
        sqlite3.connect(":memory:").close()
        assert sqlite3.connect("out/d.db").execute("select count(*) from t").fetchone() == (0,)
        from matplotlib import pyplot
        pyplot.plot([1, 2]); pyplot.savefig("out/f.png"); pyplot.savefig("out/f.pdf")
        names = sorted(os.listdir("out"))
        assert len(names) == 16, names
    """,
    )


def test_what_was_written_is_in_the_facts_as_the_script_names_it(run_script: Run, folder: Path) -> None:
    ran = run_script("import os\nos.mkdir('runs')\nopen('runs/log.txt', 'w').close()\n")
    assert ran.facts.written == [f"{folder}/runs/log.txt"]
    assert (ran.scratch / f"files{folder}/runs/log.txt").is_file()


def test_the_repository_around_the_folder_and_every_other_place_are_kept_but_temporary_files_and_caches_are_not(
    run_script: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / ".git").mkdir()
    ran = run_script("""
        import os, tempfile
        from pathlib import Path
        open("../beside", "w").close()
        os.makedirs(os.environ["HF_HOME"] + "/model")
        print("kept", os.path.exists("../beside"))
        for place in (Path.home(), Path("/srv"), Path("/")):
            if place.is_dir():
                (place / "gonogo-must-not-write-this").write_text("x")
                assert (place / "gonogo-must-not-write-this").read_text() == "x"
    """)
    assert ran.facts.error is None and "kept True" in ran.lines
    assert not (tmp_path / "beside").exists() and (tmp_path / "hub/model").is_dir()
    for place in (Path.home(), Path("/srv"), Path("/")):
        assert not (place / "gonogo-must-not-write-this").exists()


def test_reading_stays_fast_where_nothing_was_written(run_script: Run) -> None:
    lines = run_script("""
        import time, builtins
        plain = builtins.open.plain
        def seconds(opened):
            start = time.process_time()
            for _ in range(10_000):
                opened("train.py").close()
            return time.process_time() - start
        ratios = sorted(seconds(open) / seconds(plain) for _ in range(7))
        print("ratio", ratios[0], ratios[3])
    """).lines
    least = float(next(line for line in lines if line.startswith("ratio")).split()[1])
    assert least < 1.2, lines
