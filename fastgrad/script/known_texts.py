"""The methods that known.py knows by their text: (method, digest of its canonical form): what trials found.

why: why it stays the author's; without it, it's ours. late: whether its derivatives are taken in backward(). results:
the class of results, float_seed: what backward() starts from, knobs: of relu, as in measure.py.
Made by tests/known_texts.py of tests/scripts/engines.py.
"""
KNOWN = {
    ('__add__', '5de4f4409d76f394'):
        {'results': 2, 'late': False},
    ('__add__', '7cc4d351df0bf8cf'):
        {'results': 2, 'late': True},
    ('__add__', 'e3336ab818b99012'):
        {'results': 2, 'late': True},
    ('__add__', 'e44941ab330d50b4'):
        {'why': 'at 0.7, -1.3 its local derivatives: 1.0, 1.0, ours: 1, 1', 'results': 2, 'late': False},
    ('__add__', 'ecad8c5a47f75a33'):
        {'results': 2, 'late': True},
    ('__mul__', '6222cbe6057aee59'):
        {'results': 2, 'late': False},
    ('__mul__', '66b2081d0530b0b2'):
        {'results': 2, 'late': True},
    ('__mul__', 'd2ae4408dd00a468'):
        {'results': 2, 'late': True},
    ('__neg__', 'b5cbece57efff362'):
        {},
    ('__pow__', '1f175c92af61808f'):
        {'late': True},
    ('__pow__', '2ea1fbe3268d1db7'):
        {'late': False},
    ('__pow__', 'e33c21920ab622b7'):
        {'late': True},
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
        {'float_seed': False, 'late': True},
    ('backward', '7cb1da24dfb104ec'):
        {'float_seed': True, 'late': False},
    ('backward', 'aba708b97b484080'):
        {'float_seed': False, 'late': False},
    ('backward', 'b3545db5021b5988'):
        {'float_seed': True, 'late': True},
    ('backward', 'c6fcb324680f3f0c'):
        {'float_seed': True, 'late': True},
    ('exp', '1f030122be263ccb'):
        {'late': False},
    ('exp', '926d77fd7f5fad99'):
        {'why': 'at 0.7 it gives other gradients than ours', 'late': True},
    ('exp', 'c3f48d4beed14fee'):
        {'late': False},
    ('exp', 'fb8faecd4d6a0e31'):
        {'late': True},
    ('exp', 'fc656904e11cb003'):
        {'late': True},
    ('log', '239bed730cc918f5'):
        {'late': True},
    ('log', '624bfefa01a57355'):
        {'late': False},
    ('log', 'f8bd0d4bf966cef6'):
        {'why': 'at 0.7 it gives other gradients than ours', 'late': True},
    ('relu', 'a9aec49d969b5dac'):
        {'late': True, 'knobs': (False, False, True)},
    ('relu', 'b324a9a2663c4d40'):
        {'late': True, 'knobs': (False, True, True)},
    ('relu', 'e3a0ed21ee97fc85'):
        {'late': False, 'knobs': (False, False, False)},
    ('relu', 'f72e1d2cddbdd69f'):
        {'late': False, 'knobs': (True, False, False)},
    ('sigmoid', 'a6b93538c996d22e'):
        {'why': 'at -3 it gives 0.04742587317756678, ours 0.04742587317756679', 'late': True},
    ('sigmoid', 'fb01b7f467a3cabd'):
        {'why': 'at -3 it gives 0.04742587317756678, ours 0.04742587317756679', 'late': True},
    ('tanh', '137f7f9580255906'):
        {'late': False},
    ('tanh', '15820fa8a737d42d'):
        {'why': 'at 0.7 it gives 0.6043677771171635, ours 0.6043677771171636', 'late': True},
    ('tanh', '50402d4037a136bd'):
        {'why': 'at 0.7 it gives 0.6043677771171635, ours 0.6043677771171636', 'late': True},
    ('tanh', '7bfabdc1bf342f37'):
        {'late': True},
}
