"""The methods that known.py knows by their text: (method, digest of its canonical form): what trials found.

why: why the method stays the author's; ours replaces a method without it. deferred: whether local derivatives are
computed in backward(). results: the rule for the class of results (Results in state.pxi). float_seed: whether
backward() starts from 1.0. micrograd_relu: whether relu is micrograd's; else it's microgpt's. tanh_by_power:
whether tanh's derivative has the bits of 1 - t ** 2; else it has those of 1 - t * t.

tests/script/known_texts.py makes this file from tests/script/scripts/engines.py.
"""
KNOWN = {
    ('__add__', '5de4f4409d76f394'):
        {'results': 2, 'deferred': False},
    ('__add__', '7cc4d351df0bf8cf'):
        {'results': 2, 'deferred': True},
    ('__add__', 'e3336ab818b99012'):
        {'results': 2, 'deferred': True},
    ('__add__', 'e44941ab330d50b4'):
        {'why': 'at a = 0.7, b = -1.3 the local derivatives of a + b: 1.0, 1.0, ours: 1, 1',
         'results': 2,
         'deferred': False},
    ('__add__', 'ecad8c5a47f75a33'):
        {'results': 2, 'deferred': True},
    ('__mul__', '6222cbe6057aee59'):
        {'results': 2, 'deferred': False},
    ('__mul__', '66b2081d0530b0b2'):
        {'results': 2, 'deferred': True},
    ('__mul__', 'd2ae4408dd00a468'):
        {'results': 2, 'deferred': True},
    ('__neg__', 'b5cbece57efff362'):
        {},
    ('__pow__', '1f175c92af61808f'):
        {'deferred': True},
    ('__pow__', '2ea1fbe3268d1db7'):
        {'deferred': False},
    ('__pow__', 'e33c21920ab622b7'):
        {'deferred': True},
    ('__radd__', '2d77648d7f3f1da9'):
        {},
    ('__rmul__', 'f35077187d6c567f'):
        {},
    ('__rsub__', '9ea6ad7e9bf1524d'):
        {},
    ('__rsub__', 'e5e0c94b2c16f123'):
        {},
    ('__rtruediv__', '2cdf2e1e721be791'):
        {},
    ('__rtruediv__', 'd1077a8c94ffe515'):
        {},
    ('__sub__', 'bf2f29ce1857bc9b'):
        {},
    ('__truediv__', '71b4324b39770bdd'):
        {},
    ('backward', '49532b45c0e97c7e'):
        {'float_seed': False, 'deferred': True},
    ('backward', '7cb1da24dfb104ec'):
        {'float_seed': True, 'deferred': False},
    ('backward', 'aba708b97b484080'):
        {'float_seed': False, 'deferred': False},
    ('backward', 'b3545db5021b5988'):
        {'float_seed': True, 'deferred': True},
    ('backward', 'c6fcb324680f3f0c'):
        {'float_seed': True, 'deferred': True},
    ('exp', '1f030122be263ccb'):
        {'deferred': False},
    ('exp', '926d77fd7f5fad99'):
        {'why': 'at a = 0.7 the derivative of a.exp() by a is 2.0137527074704766, ours 2.5137527074704766, if .data '
                'is changed before backward()',
         'deferred': True},
    ('exp', 'c3f48d4beed14fee'):
        {'deferred': False},
    ('exp', 'fb8faecd4d6a0e31'):
        {'deferred': True},
    ('exp', 'fc656904e11cb003'):
        {'deferred': True},
    ('log', '239bed730cc918f5'):
        {'deferred': True},
    ('log', '624bfefa01a57355'):
        {'deferred': False},
    ('log', 'f8bd0d4bf966cef6'):
        {'why': 'at a = 0.7 the derivative of a.log() by a is 1.4285714285714286, ours 0.8333333333333334, if .data '
                'is changed before backward()',
         'deferred': True},
    ('relu', 'a9aec49d969b5dac'):
        {'why': 'at -2.5 its derivative is of type int', 'deferred': True},
    ('relu', 'b324a9a2663c4d40'):
        {'deferred': True, 'micrograd_relu': True},
    ('relu', 'e3a0ed21ee97fc85'):
        {'deferred': False, 'micrograd_relu': False},
    ('relu', 'f72e1d2cddbdd69f'):
        {'why': 'at a = -1.3 the value of a.relu() is 0.0, ours 0', 'deferred': False},
    ('sigmoid', 'a6b93538c996d22e'):
        {'why': 'at a = -3 the value of a.sigmoid() is 0.04742587317756678, ours 0.04742587317756679',
         'deferred': True},
    ('sigmoid', 'fb01b7f467a3cabd'):
        {'why': 'at a = -3 the value of a.sigmoid() is 0.04742587317756678, ours 0.04742587317756679',
         'deferred': True},
    ('tanh', '137f7f9580255906'):
        {'deferred': False, 'tanh_by_power': True},
    ('tanh', '15820fa8a737d42d'):
        {'why': 'at a = 0.7 the value of a.tanh() is 0.6043677771171635, ours 0.6043677771171636', 'deferred': True},
    ('tanh', '50402d4037a136bd'):
        {'why': 'at a = 0.7 the value of a.tanh() is 0.6043677771171635, ours 0.6043677771171636', 'deferred': True},
    ('tanh', '7bfabdc1bf342f37'):
        {'deferred': True, 'tanh_by_power': True},
}
