"""Pickles: one format for both engines, those of 0.1 too; under `python -m fastgrad` the format of the author's class.

What a copy or pickle keeps of a graph is in test_attributes.py and test_depth.py.
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
from fastgrad.operations import OPERATIONS
from fastgrad.optim import Adam

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
    for i in range(50_000):
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
    assert optimizer._params.values[0] is x["a"] and type(optimizer._params) is fastgrad.engine.Parameters
    optimizer.step()
    out.append([repr(v) for v in (x["a"], b, *optimizer._params.values)])
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
    assert type(optimizer._params) is reference.Parameters is not fastgrad.engine.Parameters


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
OLD_TWIN = (    # under python -m fastgrad
    'c-m`VnR=fA0%E6V^a!LS7MG+KC8p>l=ND9F=A}>R;fycME67aF&Pkmz8K{CIsWdaEBr~sgN)Jm;W^oBnFm_7ol%Od+9P#nFiJ5uv@l$$'
    'O!xD2!LF(NdpoV+1XlnK_Oep~>%wX2YU;|o~!4G8lW$<`2!&PZ&X7ECl043ZVB%qoZfog@?rXZ<oo6^Im1vV}fWI0H&0$j0p20u_Sqc<'
    'Z+l{Q3`9sq|AMRf'
)


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
    assert [repr(v.data) for v in optimizer._params.values] == ["1.4980000000100002", "1.9980000000133336"]


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
        if not isinstance(x, copying.Copying):
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
    assert not copying._running.listed


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


# ---- Under python -m fastgrad ----

ENGINE = '''
import copy, math, multiprocessing, operator, pickle, sys

class Value:
    SLOTS
    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other): return Value(self.data ** other, (self,), (other * self.data ** (other - 1),))
    def relu(self): return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def backward(self):
        topo, visited = [], set()
        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
        self.grad = 1
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad

MORE

def seen(*roots):
    nodes = []
    def visit(v):
        if not any(v is u for u in nodes):
            nodes.append(v)
            for child in v._children:
                visit(child)
    for root in roots:
        visit(root)
    return [(type(v).__name__, v.data, v.grad, v._local_grads, type(v._children).__name__,
             [[u is c for u in nodes].index(True) for c in v._children]) for v in nodes]

def graph():
    a, b = Value(2), Value(-3.0)
    c = a * b + a
    d = (c + b * b) ** 2 + c.relu()
    d.backward()
    return a, d
'''
SLOTS = "__slots__ = ('data', 'grad', '_children', '_local_grads')"
WRITE_OR_READ = '''
if __name__ == "__main__":
    if sys.argv[1] == "write":
        for protocol in PROTOCOLS:
            with open(sys.argv[2] + str(protocol), "wb") as file:
                pickle.dump(graph(), file, protocol)
        print(seen(*graph()))
    elif sys.argv[1] == "read":
        for protocol in PROTOCOLS:
            with open(sys.argv[2] + str(protocol), "rb") as file:
                a, d = pickle.load(file)
            told = seen(a, d)
            d.backward()
            again = seen(a, d)
        print(told)
        print(again, (a * d).data)
'''


def engine_of(slots="", more="", changes=(), protocols="range(2, pickle.HIGHEST_PROTOCOL + 1)"):
    text = ENGINE.replace("SLOTS", slots).replace("MORE", more) + WRITE_OR_READ
    for old, new in (*changes, ("PROTOCOLS", protocols)):
        assert old in text
        text = text.replace(old, new)
    return text


def report_on(folder):
    """What --report says of a script."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fastgrad.__file__).parent.parent)}
    command = [sys.executable, "-m", "fastgrad", "--report", "script.py", "make", ""]
    return subprocess.run(command, cwd=folder, text=True,
                          env=environment, capture_output=True, check=True, timeout=300).stderr


def exchanged(folder, text):
    """Have a script write and read pickles in both ways, and each read what the other has written."""
    (folder / "script.py").write_text(text)
    ways = {"plain": [], "ours": ["-m", "fastgrad"]}
    told = {}
    for writer, options in ways.items():
        told[writer] = python(*options, "script.py", "write", writer, folder=folder)
    assert told["plain"] == told["ours"]
    for reader, options in ways.items():
        for writer in ways:
            told[reader, writer] = python(*options, "script.py", "read", writer, folder=folder)
    assert len({told[reader, writer] for reader in ways for writer in ways}) == 1
    assert told["plain", "plain"].splitlines()[0] == told["plain"].strip()
    assert ") is replaced" in report_on(folder)
    return states(folder / "plain4"), states(folder / "ours4")


class Stated:
    """Stands for any class, and notes the states that a pickle has."""

    noted: list = []

    def __setstate__(self, state):
        self.noted.append(repr(state))

    def __repr__(self):
        return "a node"


class Noting(pickle.Unpickler):
    def find_class(self, module, name):
        return Stated if module == "__main__" else super().find_class(module, name)


def states(path):
    """The states in a pickle, in their order; names and containers as they were."""
    Stated.noted = []
    with open(path, "rb") as file:
        Noting(file).load()
    return Stated.noted


STATES = {
    "getstate": """
    def __getstate__(self): return [self.data, self._children, self._local_grads]
    def __setstate__(self, state):
        self.data, self._children, self._local_grads = state
        self.grad = 0.25
""",
    "reduce": "    def __reduce__(self): return Value, (self.data, self._children, self._local_grads)\n",
    "reduce_ex": "    def __reduce_ex__(self, _): return Value, (self.data * 2, self._children, self._local_grads)\n",
    "setstate": """
    def __setstate__(self, state):
        for name, x in state.items():
            setattr(self, name, x)
        self.grad = 0.5
""",
}


@only_c
@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
def test_a_twin_s_pickle_is_the_author_s(tmp_path, slots):
    plain, ours = exchanged(tmp_path, engine_of(slots))
    assert plain == ours


@only_c
def test_the_oldest_protocols(tmp_path):
    """What plain Python writes there demands object.__new__(Value), which a twin refuses; but it reads its own."""
    (tmp_path / "script.py").write_text(engine_of(protocols="(0, 1)"))
    told = python("-m", "fastgrad", "script.py", "write", "ours", folder=tmp_path)
    for options in ([], ["-m", "fastgrad"]):
        assert python(*options, "script.py", "read", "ours", folder=tmp_path).splitlines()[0] == told.strip()


@only_c
@pytest.mark.parametrize("kind", STATES)
def test_an_author_s_own_pickling_stays(tmp_path, kind):
    text = engine_of(more=STATES[kind])
    (tmp_path / "script.py").write_text(text + """
    for make in (copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        a, d = graph()
        if sys.argv[1] == "show":
            print(seen(make(a)), seen(make(d)))
""")
    for writer, options in (("plain", []), ("ours", ["-m", "fastgrad"])):
        python(*options, "script.py", "write", writer, folder=tmp_path)
    told = {python(*options, "script.py", "read", writer, folder=tmp_path)
            for writer in ("plain", "ours") for options in ([], ["-m", "fastgrad"])}
    assert len(told) == 1
    plain = python("script.py", "show", folder=tmp_path)
    assert python("-m", "fastgrad", "script.py", "show", folder=tmp_path) == plain


@only_c
@pytest.mark.parametrize("method", [
    "def __reduce_ex__(self, n): return (*super().__reduce_ex__(n)[:2], {'data': 1.5, '_children': ()})",
    "def __reduce__(self): return Value, (1.5 + 0 * object.__hash__(self),)",
], ids=["super", "object"])
def test_a_class_whose_pickling_asks_object_stays(tmp_path, method):
    (tmp_path / "script.py").write_text(engine_of(more="    " + method) + """
    a, d = graph()
    print([w.data for w in (copy.copy(d), copy.deepcopy(d), pickle.loads(pickle.dumps(d)))])
""")
    plain = python("script.py", "", folder=tmp_path)
    assert python("-m", "fastgrad", "script.py", "", folder=tmp_path) == plain == "[1.5, 1.5, 1.5]\n"


@only_c
def test_subclasses_and_attributes_of_twins(tmp_path):
    more = """
class Weight(Value):
    __slots__ = ("name",)
    def __init__(self, data, name="w"):
        super().__init__(data)
        self.name = name

class Bias(Value):
    pass
"""
    changes = [("a, b = Value(2), Value(-3.0)", "a, b = Weight(2, 'first'), Bias(-3.0); b.m = [0.5]"),
               ("return a, d", "a.grad = 7; return a, d"),
               ("(a * d).data)",
                "(a * d).data, a.name, [getattr(c, 'm', 0) for c in d._children[0]._children[0]._children])")]
    plain, ours = exchanged(tmp_path, engine_of(more=more, changes=changes))
    assert plain == ours


DISPATCH = """
import pickle, sys
class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad, self._prev, self._op = data, 0.0, _children, _op
    def __add__(self, other): return Value(self.data + other.data, (self, other), "add")
    def __mul__(self, other): return Value(self.data * other.data, (self, other), "*")
    def __pow__(self, n): return Value(self.data ** n, (self,), f"**{n}")
    def relu(self): return Value(0 if self.data < 0 else self.data, (self,), "ReLU")
    def backward(self):
        topo, visited = [], set()
        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
        self.grad = 1.0
        for v in reversed(topo):
            if v._op == "add":
                for child in v._prev:
                    child.grad += v.grad
            elif v._op == "*":
                a, b = v._prev
                a.grad += b.data * v.grad
                b.grad += a.data * v.grad
            elif v._op == "ReLU":
                v._prev[0].grad += (v.data > 0) * v.grad
            elif v._op.startswith("**"):
                n = float(v._op[2:])
                v._prev[0].grad += n * v._prev[0].data ** (n - 1) * v.grad

def graph():
    a, b = Value(2.0), Value(-3.0)
    return a, b, ((a * b + a) ** 2.0 + b * b).relu() * a

if __name__ == "__main__":
    if sys.argv[1] == "write":
        pickle.dump(graph(), open(sys.argv[2], "wb"))
    else:
        a, b, root = pickle.load(open(sys.argv[2], "rb")) if sys.argv[1] == "read" else graph()
        for x in 1.5, -4.0:
            a.data, a.grad, b.grad = x, 0.0, 0.0
            root.backward()
            print(a.grad, b.grad, root._op, [c._op for c in root._prev], root.data)
"""


@only_c
def test_a_class_that_knows_derivatives_by_the_operation_s_name(tmp_path):
    """They aren't in its pickles, and are taken when backward() runs."""
    (tmp_path / "script.py").write_text(DISPATCH)
    ways = {"plain": [], "ours": ["-m", "fastgrad"]}
    for writer, options in ways.items():
        python(*options, "script.py", "write", writer, folder=tmp_path)
    wanted = python("script.py", "make", folder=tmp_path)
    for options in ways.values():
        for writer in ways:
            assert python(*options, "script.py", "read", writer, folder=tmp_path) == wanted


@only_c
def test_names_and_containers_of_an_author_s_own(tmp_path):
    changes = [("_children", "parents"), ("        self.parents = children\n", ""),
               ("self.grad = 0\n", "self.gradient = 0\n        self.name = ''\n"),
               (".grad", ".gradient"), (".gradientient", ".gradient"),
               ("self._local_grads = local_grads", "self._local_grads = local_grads; self.parents = list(children)"),
               ("a, b = Value(2), Value(-3.0)", "a, b = Value(2), Value(-3.0); a.name = 'a'; a.extra = 1.5")]
    plain, ours = exchanged(tmp_path, engine_of(changes=changes))
    assert plain == ours


@only_c
@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
def test_plain_python_reads_a_twin_s_deep_graph(tmp_path, slots):
    (tmp_path / "script.py").write_text(engine_of(slots).partition("if __name__")[0] + """
def deep():
    v = x = Value(0.5)
    for i in range(20_000):
        v = v + x
    return [x, v, x]

if __name__ == "__main__":
    if sys.argv[1] == "write":
        pickle.dump(deep(), open("deep", "wb"))
    x, v, y = pickle.load(open("deep", "rb"))
    n, u = 0, v
    while u._children:
        assert u._children[1] is x is y and type(u) is Value
        n, u = n + 1, u._children[0]
    print(n, u is x, v.data, v.grad)
""")
    assert python("-m", "fastgrad", "script.py", "write", folder=tmp_path) == "20000 True 10000.5 0\n"
    assert python("script.py", "read", folder=tmp_path) == "20000 True 10000.5 0\n"


@only_c
def test_closures_are_refused_as_by_plain_python(tmp_path):
    """Errors and what can be pickled, of the lecture's class and of one that has None on leaves."""
    lecture = (Path(__file__).parents[1] / "script" / "scripts" / "lecture.py").read_text()
    engine = "import copy, math, pickle\n" + lecture[lecture.index("class Value"):lecture.index("random.seed")]
    show = textwrap.dedent("""
        if __name__ == "__main__":
            a, b = Value(2.0, label="a"), Value(3.0)
            for v in (a, a * b, a + b, (a * b).tanh(), [a * b], a ** 2, a.exp() if hasattr(a, "exp") else a):
                try:
                    w = pickle.loads(pickle.dumps(v))
                    print(w.data, w.grad, w._prev, w._op, w._backward, w.label)
                except Exception as error:
                    print(type(error).__name__, str(error).partition(" at 0x")[0])
    """)
    assert "self._backward = lambda: None" in engine
    for text in (engine, engine.replace("self._backward = lambda: None", "self._backward = None")
                         .replace("node._backward()", "node._backward and node._backward()")):
        (tmp_path / "script.py").write_text(text + show)
        plain = python("script.py", folder=tmp_path)
        assert python("-m", "fastgrad", "script.py", folder=tmp_path) == plain
        assert plain.count("Error") >= 5


@only_c
def test_a_twin_s_pickle_of_0_1(tmp_path):
    (tmp_path / "script.py").write_text(engine_of(SLOTS) + f"""
    import base64, zlib
    a, c = pickle.loads(zlib.decompress(base64.b85decode({OLD_TWIN!r})))
    print(seen(a, c))
""")
    assert python("-m", "fastgrad", "script.py", "", folder=tmp_path) == (
        "[('Value', 2.0, 4, (), 'tuple', []), ('Value', 8.0, 1, (1, 1), 'tuple', [2, 0]), "
        "('Value', 6.0, 1, (3, 2.0), 'tuple', [0, 3]), ('Value', 3, 2.0, (), 'tuple', [])]\n")


PROCESSES = """
def work(v):
    w = v * v + v
    w.backward()
    return v, w

def stay(inbox, outbox):
    for v in iter(inbox.get, None):
        outbox.put(work(v))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    a, d = graph()
    with context.Pool(2) as pool:
        for v, w in pool.map(work, [a, d, Value(4)]):
            print(seen(v, w), w._children[1] is v, type(w) is Value)
    inbox, outbox = context.Queue(), context.Queue()
    process = context.Process(target=stay, args=(inbox, outbox))
    process.start()
    inbox.put(d)
    print(seen(*outbox.get(timeout=60)))
    inbox.put(None)
    process.join()
"""


@only_c
@pytest.mark.parametrize("slots", ["", SLOTS], ids=["dict", "slots"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_values_between_processes(tmp_path, method, slots):
    """The children of spawn and forkserver import the script in plain Python, and have its own class."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    (tmp_path / "script.py").write_text(engine_of(slots).partition("if __name__")[0] + PROCESSES)
    plain = python("script.py", method, folder=tmp_path)
    assert python("-m", "fastgrad", "script.py", method, folder=tmp_path) == plain and plain.count("Value") > 20


@only_c
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_fastgrad_s_own_values_between_processes(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
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
