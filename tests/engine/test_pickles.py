"""Pickles: one format for both engines, those of 0.1 too.

What a copy or pickle keeps of a graph is in test_attributes.py and test_depth.py; pickles of scripts' own
classes are in script/test_author_pickles.py.
"""
import base64
import copy
import gc
import io
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

import fastgrad
from fastgrad import copying, reference
from fastgrad.optim import Adam
from fastgrad.value.copying import Copying, _running
from fastgrad.value.operations import OPERATIONS

only_c = pytest.mark.skipif(fastgrad.backend != "c", reason="about the C engine")
check_arena = getattr(fastgrad.engine, "_check", lambda: None)      # in builds for the tests


def python(*arguments, pure=False, folder=None, text=None):
    """What a Python of its own prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent), "FASTGRAD_PURE": "01"[pure]}
    done = subprocess.run([sys.executable, *map(str, arguments)], env=environment, cwd=folder, input=text, text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- One format for both engines ----

ROUND_TRIP = """
import base64, copy, math, operator, pickle, sys
import fastgrad
from fastgrad import Value
from fastgrad.optim import Adam

class Sub(Value):
    __slots__ = ("place",)

def make():
    a, b, n = Value(2, label="a"), Sub(-0.5), Value(math.nan)
    a.color, b.place = ["red"], 7
    c = a * b
    d = c ** 2 + (a / b).tanh() + 2 ** b - n + a * 3
    e = Value(d.data, (d, a, b, a), (1, 2, 0.5, -0.0))
    f = Value(5.0, (e,), "ours")
    f._backward = operator.length_hint
    f.up = [c, d]
    e.backward()
    (a * a).backward()
    deep = a
    for i in range(10_000):
        deep = deep + b if i % 3 else deep.relu()
    optimizer = Adam([a, n])
    optimizer.step()
    return {"a": a, "f": f, "again": (f, [c, b]), "deep": deep, "optimizer": optimizer}

def seen(x):
    out = []
    for root in (x["a"], x["f"], x["deep"]):
        nodes = root._topological()
        place = {id(v): i for i, v in enumerate(nodes)}
        for v in nodes:
            assert isinstance(v, Value)
            out.append((type(v).__name__, repr(v.data), repr(v.grad), v._op, [place[id(c)] for c in v._children],
                        repr(v._local_grads), v.label, getattr(v, "color", None), getattr(v, "place", None)))
    f, (c, b) = x["again"]
    assert f is x["f"] and f.up[0] is c and f._children[0]._children[2] is b and f._backward is operator.length_hint
    for v in (x["a"], x["deep"]):
        v.zero_grad()
    x["deep"].backward()
    optimizer = x["optimizer"]
    group, = optimizer.param_groups
    assert group["params"][0] is x["a"] and type(group.params) is fastgrad.engine.Parameters
    optimizer.step()
    out.append([repr(v) for v in (x["a"], b, *optimizer.param_groups[0]["params"])])
    return repr(out)

protocols = range(pickle.HIGHEST_PROTOCOL + 1)
if sys.argv[1] == "write":
    for protocol in protocols:
        print(base64.b64encode(pickle.dumps(make(), protocol)).decode())
    print(seen(make()))
else:
    *pickles, wanted = sys.stdin.read().splitlines()
    assert len(pickles) == len(protocols)
    for line in pickles:
        assert seen(pickle.loads(base64.b64decode(line))) == wanted
    print(fastgrad.backend, "agrees")
"""


@only_c
def test_either_engine_reads_what_either_has_written(tmp_path):
    (tmp_path / "trip.py").write_text(ROUND_TRIP)
    for written_by_pure in (False, True):
        written = python("trip.py", "write", pure=written_by_pure, folder=tmp_path)
        for pure in (False, True):
            said = python("trip.py", "read", pure=pure, folder=tmp_path, text=written)
            assert said == ("python agrees\n" if pure else "c agrees\n")


def test_a_pickle_names_no_engine():
    text = pickle.dumps(fastgrad.Value(1.0) * 2, 0)
    assert b"reference" not in text and b"engine" not in text


@only_c
def test_values_of_the_other_engine_stay_so():
    """fastgrad.reference.Value beside the C engine, as these tests use it."""
    v = reference.Value(2.0) * 3
    w = pickle.loads(pickle.dumps(v))
    assert type(w) is type(w._children[0]) is reference.Value and repr(w) == repr(v)
    optimizer = pickle.loads(pickle.dumps(Adam([reference.Value(1.0)])))
    assert type(optimizer.param_groups[0].params) is reference.Parameters is not fastgrad.engine.Parameters


# ---- Pickles of 0.1 ----

OLD = {      # made by fastgrad 0.1: engine and protocol, or an optimiser
    "c 2": (
        'c-m!?%TLr$6vjKla|R#d10RT@;-fRjYgAMo77-{?d|kv$OmNaEh1*ced~hfD2vHU-i7a&E*0}OdFd;6Sf53#05SN;mn7GmnhOqLs)7BX'
        '7=H9m7@0{<P)B7Si4nfo=)j2jbt4_3NGx;ZmH5Jbmth}L3n|d4(QOjm?1;b>9mCeRYV~)kau`(Ow1Qq{S-I_8iJ$_#`3mmIdqH=H5*5c'
        '3Mk88<fM&Juo4Alg&1;oWn1%F|xIo(7}Cc@7uc6j?E?3ATd!CQqKjfj-z+9lE$Ki;C1@~3a5Z*s9Z)%sdrd6P_19(OlEB2fGe6s29@Y{'
        'J2w5LKcM_Ik-u*vGJ+pw>qvA5|i>*2aM_f{lZjGFP8U;}FAPf;yiF6tbjmK3GqD5NN{25xJNM!1_$N2R66kD8n&=hJZ{2<d{#!XoG{}V'
        'My2J3CazgBxnq3`?a;0e_7MV4K~_16|y!?dwG~@QJi5oOCSa{4Q%y%S=)4Ls-vQVq!Ljg4pLqNn$W~>j-WXZ|9JOy@_E;1F6MQ#$kNw`'
        'gQHJZs%*4+4M?X_Xk%z6NQcDx`i+gYWll8Hw1e}d@E0f#e377IyR5^V#}Y1aVN{m<nJnS5JH{&noj%bkbdML;zb`8S?X=MqKHKQ_tmu#'
        'P=wY}@AZ;fk8@=H)ZCvx3L-dg`^f6o~=nriD@ojlY29n-y$>t4B#~_1DFtmUhqL(i_lgBU}%*5PtPSvL8)!7Ls|6Pv!tYPunF;d9sHf|'
        'Dlu4-PHU8~Pld5V5I<luIxL3i8+-6bFk81+V>;U2A>(_8)mX<`Z%'
    ),
    "c 4": (
        'c-m`VnJUK200yyBG<pQm5{paHixN}xlJg5HGxO4?^l-+P<`rZnXXm6&nG96HkyM(QQ<9liJf(*vC$qQ&C>T4XbxP2b9)7sq)V%b}ywoW'
        '@tYL{cr66tIOzsZszZze9?Y^X`*~2iU1gO3iXc%iwVp3|(lpe-JAkLlQZhrydl+vUOW{nIspo=p2fh@la9{2qZAX4rJIJER9r0$%mshP'
        'nGG6yFA0VWTj8Gt&)+NQwuc{8;E?a-Qnq{SYp#hWohx^)U%W9yV2W-TovWR)-}cl*>IQC9`FF=U8=Gzh>ouxM%N8lvbBfawT@>fp~%Z9'
        '`ZBa!!UMvislvYAopDb^<y^6KFO}8_4XE#Jmg?cf0<wy?*Hj$lVGVdTmp@8NC@np3_EA^lZVrw0i5aKt&+8+TV|J3$EJ94)UCl7HTj&T'
        'PE}Mt3fwVrE!J@%(x6g>`H7v;o1&T#N=)d4cqo9C{f|SU=w@b>f>&2h71Rw)i5r|>ePyYDcDuIf*kn)5uib-KA|YC{04Ob*ig+L){^qf'
        '<WzV{Vvf%*n3CZGOsz?Y$=T(JMJZE|lPYULQDz<}t(GRGf)XppZtngZ>kHKvfChSH_@R2c78shzQ!=EBQ}qCwkrZ<'
    ),
    "c optim": (
        'c-n1{KTE?v7{*&|trpROBIqY*C{)qS!6+gbO0hV&Nw_3u6U;v^7d3;RgLUxL#S;}jfqnvaCqW&$by09}5u{TE1-(maC!ghx_x-)kJ@4('
        'M&Kk)?EErlx0j&~b6g{6>4ujN!fgE<qq<yx_^3Y=wrpOhoTyI`~Lt4WW1-$V7AoQrnAFZdx*kPf@pcnhRGq)6-yiUO^3~pnqYEsp}I*O'
        'Q*=m;{Zj|g%C2E*N_v0JrV%phA4Ele>9cml|E0p0T>%dIjPP(#<Z^bH$xAP@aoXxY?qxm(J%0?LbP?0~KOXP#a~b|}Uax%KsCA6-GIN0'
        'K1HDCf;w-W+L<n&XQ6BY@jyMgDB3mLzjRV70b+pBhlHZ7Ipuaj@f&DE_Pr-tkqm#dD?+A$)BZRpX0Fu<p45C816|5=Z|dIwxN@X|PgmF'
        '?Vq(bT3cO2;IqXKFD^g)nJpEg}hlbCk33iY1Ye{FVDX$AD_Eg8xBLQ_zSld#Yq'
    ),
    "python 2": (
        'c-m!?%TLr$6vjKla|R#d10RT@;-fRjYgAMo77-{?M7;zvF~Lcv6mCNu=bO0`e1s^AmP8i1VQXCZCzucy&Ocy6NQg^KOiWzq218hR+i7b'
        'IcXQj@?|063&gp#_o`N81Girg&=GEyo?Q!m@k)4gEi`kr^&6#=>AyG@GGeyH>MmC*}nnr;|!LbSpl>}A)*t|ZY=k=_nNAIg<k(1R*Snj'
        'XcUi>-waXlVS34Ec3p_U-BfT)<N;s>Uh(M{B)Li}09E_Z)~-LkYMxT~0<A(8TQdqf)HkK?pj{`9T<O)k|Y+TZA_EAcqxarY9$e8q2HQQ'
        'ig4#%$~hP$g_*znd(90}KZV>OEBQP$fj`EgT9WSU8-jaP)~JjxZc0Xz&PMAxrw!gN@h+fyOKxlS?rlY)n<UU~4CiGn^o3^2wM_PI_d7H'
        'rY5Cgmi44qTJwVf@Z(AU)zhhS9Js2V6%lY0c+u`n}?}cigOI-2}Hl9q3yme>swAu4OFxdS3*k2M#61C3tAX15VZQ@AMf7Iyy*GN#k`I-'
        'S^D~Lc;eY=jfHl%0m(!H9SofW$$)s@xVhP}%!yW-v~jT<{u1SZFB5d_lyy1tSi%)949k)?lO<er#(0gO+avmg-l@{Y_hm((-4=R+cMH9'
        ')75zyLeGJzLq@9Fhp+A_Wg&S^jh(0!n0fw6dgTAdlo-H@YP~813*}S3Y7-o<OMiy`@72${JjH=DetNCe+{&yvEc_Yj3gi^@p7RCr}J4W'
        'hWn>}mK*Lc)HI$~qI+><*_Pwo=jTL5vpuVI4L7xcEjv5*KE'
    ),
    "python 4": (
        'c-m`VnJU1{00yyBG<pQm5{paHixN}xlJg5HGxO4?^l-+P<`rZnXXm6&nG96HkyM(QQ<9liJf(*vC$qQ&C>T4XbxP2b9wE5iqSUn1qSU<'
        'P)G0lzVTn1VAf4V!?hfp~8ee+tzND$y!!V@;sHGNY9&1iwQfkhW9>zo<&Yj|Je*xl}(xeP#jSM!RqcZq`EWZpM_x%qbQtk&hwDc#W?wq'
        'QrnZXM(2PXdkCJ&(*fI7w6roi=iGqnNj(3*mz#U84~n=wPWbqZW#>y#d5EiEHtl`tuH`_vy%R|U2)WQc(@2*5S4XldyhqUaES=?I1D;L'
        'lKPLs$ZGPKG41```a+Ea>8P0y;($Xf{k6$n28DybKg~yZ*Ahe(49u-3l3cZBx7%y%|BC(?(JBY{9&=dh4@5MIg7@-;Z+(uG+~C@|=+tY'
        'A`%oCiC^HK{rsPafSuVxC}$=N^C&k+7430<ZcfQ+x96aQQ^Q~6MNw5<8E(;3<sdqFfPdI)QW;B*j2iM9Qgqeph2lVp(w8W26Y11P|Y6J'
        'lJZPo8iS-HU^-1oOwKM(EJ~SzoJd&<iZb&+skAsL6_iXtR&w{}SYN2V05r!d!w=QBK!X^Qr({SMr|JO!#RU>-'
    ),
    "python optim": (
        'c-lo!&o2W(6mDr15ouI<;@%CZhMR*WB70~W;@~Em+3o0V>@Tykr3VQIb?~@&g7^#g3*4O~IJmixxVT89r%Fhe-Bx{<nfc!Lz4_kTNu0d'
        'LV-a9*jrhF6NICC%+_VuAb7f-VF-p6*jXCJD7%K9TR(fn)enV2DocMxxzYB4%$REvzr|kY%9if|gqB65kJ9;g^Gz@G~vtn?yOm$L2CDs'
        'O{RF5!X`v{rN*AYWGWrFQr`hT=jKu?ue0Tsn`$D+Gl&2%aVeQMx%roL`bA<sdt7MK<{9U)Fwrq2brihH<>Fx2rfx<(mwbc&E%2|EjsA~'
        '(O@tb+?Ec1aS%kPC~E$r;&}+Za*gpHOi9tjM3OQ6$M24P|xoHRw@&9xk957Zcjlc3CajUy5#dDyfQ~Ny3=e1PrUuMP*cX9iOv6=Prw~|'
        '0&w%F+#kI#q@mo>^#J+JUJEOMvl@!f4jBnZ=f-rGbW5eD2`n<9!r`h&%P`ko;q4f90Xea7a~T@L;'
    ),
}


def load_old(name):
    return pickle.loads(zlib.decompress(base64.b85decode(OLD[name])))


@pytest.mark.parametrize("name", [name for name in OLD if "optim" not in name])
def test_pickles_of_0_1(name):
    a, root, rest = load_old(name)
    nodes = root._topological()
    assert all(type(v) is fastgrad.Value for v in nodes)
    assert ",".join(v._op for v in nodes) == ",,*,**2,**-1,*,tanh,+,2**,+,,exp,ReLU,twice,+"
    assert repr([a, root, rest]) == ("[Value(data=2, grad=2.997318098633948), Value(data=3.4450306580542716, grad=0), "
                                     "{'c': Value(data=-1.0, grad=-2.0)}]")
    b, e, twice = nodes[1], nodes[10], nodes[13]
    assert nodes[0] is a and a.label == "a" and a.m == 0.25 and rest["c"] is nodes[2] and twice._backward is print
    assert e._children == (nodes[9], a, b) and repr(e._local_grads) == "(1, 2, 0.5)"
    a.grad = 0
    root.backward()
    assert a.grad == 13.069574725008458


@pytest.mark.parametrize("name", [name for name in OLD if "optim" in name])
def test_optimisers_of_0_1(name):
    optimizer = load_old(name)
    optimizer.step()
    assert [repr(v.data) for v in optimizer.param_groups[0]["params"]] == ["1.4980000000100002", "1.9980000000133336"]


# ---- Altered pickles ----

def outcome(Value, data, grad, children, local_grads, op):
    """What comes of a pickle's fields: an error's type, or all that can be seen of the node, after backward() too."""
    leaves = [Value(2.0), Value(3)]
    children = [leaves[x] if x in (0, 1) else x for x in children] if isinstance(children, tuple) else children
    try:
        v = Value._rebuild(data, grad, children, local_grads, op)
    except Exception as error:
        return type(error)
    seen = repr(v), v._op, len(v._children), repr(v._local_grads)
    (v * 2).backward()
    v._backward()
    return *seen, repr(leaves), repr(copy.deepcopy(v)), repr(pickle.loads(pickle.dumps(v)))


@pytest.mark.parametrize("fields", [
    (1.0, 0, (0,), (1.0,), "+"), (1.0, 0, (0, 1, 0), (1.0, 2.0, 3.0), "*"), (1.0, 0, (0, 1), (1.0, 2.0), "exp"),
    (1.0, 0, (), (), "ReLU"), (1.0, 0, (0, 1), (1.0, 2.0), "**2"), (1.0, 0, (0,), (), "**2"), (1.0, 0, (0,), (), "log"),
    (1.0, 0, (0,), (1.0, 2.0), "2**"), (1.0, 0, (0, 0), (1.0,), "**"), (1.0, 0, (), (1.0,), "relu"),
    *((1.0, 0, (0,), (1.0,), "**" + number) for number in ("99999999999999999999", "1e999", "007", "\u0663",
                                                           "9007199254740993", "9" * 9999)),
])
def test_an_operation_that_does_not_fit_is_only_a_name(engine, Value, fields):
    repr_, op, n, local_grads, *_ = outcome(Value, *fields)
    assert (op, n, local_grads) == (fields[4], len(fields[2]), repr(fields[3])) and repr_ == "Value(data=1.0, grad=0)"


@pytest.mark.parametrize("fields, error", [
    (("x", 0, (), (), ""), TypeError), ((None, 0, (), (), ""), TypeError), ((1.0, [], (), (), ""), TypeError),
    ((2 ** 53 + 1, 0, (), (), ""), OverflowError), ((1.0, 0, (5.0,), (1.0,), "+"), TypeError),
    ((1.0, 0, None, (), ""), TypeError), ((1.0, 0, (0,), 3, ""), TypeError), ((1.0, 0, (0,), ("x",), ""), TypeError),
    ((1.0, 0, (0, None), (1.0, 1.0), "+"), TypeError), ((1.0, 0, (0,), (10 ** 400,), ""), OverflowError),
])
def test_what_is_no_number_or_no_value_raises(Value, fields, error):
    assert outcome(Value, *fields) is error


@only_c
def test_only_a_value_is_rebuilt():
    node = fastgrad.Value.__mro__[1]
    for cls in (node, int):
        with pytest.raises((TypeError, AttributeError)):
            copying._rebuilt(None, cls, 1.0, 0, (), (), "")
        with pytest.raises((TypeError, AttributeError)):
            copying._unpickle(None, cls, 1.0, 0, (), (), "")


def random_fields(chance):
    numbers = [1.0, 2, -0.5, 0, 0.0, True, float("nan"), float("inf"), 2 ** 53, 2 ** 60 + 1, "1", None, (), 1j]
    ops = ["", *sorted({x.shown for x in OPERATIONS}), "**2", "**-1", "**0.5", "2**", "-1.5**", "**x", "x", None, 7,
           b"+"]

    def few(things):
        return tuple(chance.choice(things) for _ in range(chance.choice([0, 1, 1, 2, 2, 2, 3, 5])))
    good = numbers[:6]
    locals_ = few(good) if chance.random() < 0.9 else chance.choice([None, 3, (1.0, "x"), few(numbers)])
    return (chance.choice(numbers if chance.random() < 0.2 else good), chance.choice(good),
            few([0, 1]) if chance.random() < 0.9 else chance.choice([None, 3, (0, "x"), (None,), [0.5]]),
            locals_, chance.choice(ops))


@only_c
def test_both_engines_make_the_same_of_altered_fields():
    for seed in range(3000):
        fields = random_fields(random.Random(seed))
        assert outcome(fastgrad.Value, *fields) == outcome(reference.Value, *fields), (seed, fields)
    check_arena()


@only_c
def test_operations_that_do_not_fit_in_a_class_whose_derivatives_are_taken_late():
    """The sweep computes those from the operands, as many as the operation has."""
    Deferred = fastgrad.engine._make_class(__name__, "Deferred", deferred=True)
    for op in ("*", "exp", "log", "ReLU", "**2", "+"):
        for n in range(4):
            if (op, n) in (("*", 2), ("+", 2)) or op not in "*+" and n == 1:
                continue
            leaves = [Deferred(3.0 + i) for i in range(n)]
            v = Deferred._rebuild(7.0, 0, tuple(leaves), tuple(0.5 + i for i in range(n)), op)
            v.backward()
            assert [x.grad for x in leaves] == [0.5 + i for i in range(n)] and v._op == op
    check_arena()


class Altering(pickle.Pickler):
    """Pickles Values with fields exchanged at random."""

    def __init__(self, file, chance):
        super().__init__(file)
        self.chance = chance

    def reducer_override(self, x):
        if not isinstance(x, Copying):
            return NotImplemented
        function, (below, cls, *fields), state = x.__reduce_ex__(4)
        if self.chance.random() < 0.3:
            other, i = random_fields(self.chance), self.chance.randrange(7)
            if i < 5:
                fields[i] = tuple(x._children[:1]) + other[i] if i == 2 and isinstance(other[i], tuple) else other[i]
            elif i == 5:
                state = self.chance.choice([{"data": 3.0}, {"_op": "*"}, {"_children": x._children}, (None, None), 7])
            else:
                fields[2], fields[3] = fields[2][:-1], fields[3] * 2
        return function, (below, cls, *fields), state


def test_altered_pickles(engine, Value):
    """Whatever is read, it's an error or a graph like any other."""
    a, b = Value(2), Value(0.5, label="b")
    root, loaded = (a * b + a.exp()) ** 2 * Value(1.0, (a, b, a), (1.0, 2, 3.0)), 0
    for seed in range(1000):
        file = io.BytesIO()
        Altering(file, random.Random(seed)).dump(root)
        try:
            v = pickle.loads(file.getvalue())
            v.backward()
        except (TypeError, ValueError, OverflowError, AttributeError):
            continue
        loaded += 1
        assert repr(copy.deepcopy(v)) == repr(v)
        v._topological()[0].data = 7
    assert 100 < loaded < 900
    if engine is fastgrad.engine and fastgrad.backend == "c":
        gc.collect()
        check_arena()


# ---- A pickle or copy that failed, and what memos hold ----

def test_a_failed_pickle_changes_no_later_one(Value):
    """The nodes that it hadn't come to aren't taken for nodes that are in the next pickle."""
    nodes = [Value(1.0)]
    for i in range(20_000):
        nodes.append(nodes[-1] * 1.0 if i % 2 else nodes[-1].relu())
    some = [nodes[i] for i in (0, 1, 5_000, 9_999, 10_000, 10_001, 15_000, 20_000)]
    before = [pickle.dumps(v) for v in some]
    nodes[10_000].obstacle = lambda: None
    picklers = [pickle.Pickler(open(os.devnull, "wb")) for _ in range(2)]     # they live on
    for pickler in picklers:
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
            pickler.dump(nodes[-1])
    del nodes[10_000].obstacle
    after = [pickle.dumps(v) for v in some]
    assert [len(text) for text in after] == [len(text) for text in before]
    if Value is fastgrad.Value:
        assert after == before
    assert not _running.listed


def test_what_is_copied_is_kept_as_long_as_the_memo(Value):
    """A Value that dies while a copy is being made must not leave its id to another, which would be taken for it."""
    memo = {}
    copies = [(Value(float(i)) * 2.0).__deepcopy__(memo) for i in range(100)]
    assert [v.data for v in copies] == [2.0 * i for i in range(100)]
    assert [v._children[0].data for v in copies] == [float(i) for i in range(100)]


def test_slots_of_subclasses(engine, Value, monkeypatch):
    sub = type("Slotted", (Value,), {"__slots__": ("place", "other"), "__module__": __name__})
    monkeypatch.setitem(globals(), "Slotted", sub)
    v = sub(2.0)
    v.place, v.note = [1], "n"
    for w in (copy.copy(v), copy.deepcopy(v), *(pickle.loads(pickle.dumps((v, v * 2), p))[0] for p in (0, 2, 5))):
        assert (type(w), w.place, w.note, hasattr(w, "other")) == (sub, [1], "n", False)


# ---- Between processes ----

@only_c
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_fastgrad_s_own_values_between_processes(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system can't start processes by {method}")
    (tmp_path / "script.py").write_text(textwrap.dedent("""
        import multiprocessing, sys
        from fastgrad import Value

        def work(v):
            w = v * v + v.tanh()
            w.backward()
            return v, w

        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                for v, w in pool.map(work, [Value(2), Value(0.5, label="x") * 3]):
                    print(v, w, [c._op for c in w._topological()], w._children[0]._children[0] is v)
    """))
    plain = python("script.py", method, folder=tmp_path)
    assert python("-m", "fastgrad", "script.py", method, folder=tmp_path) == plain and plain.count("True") == 2
