"""Real data sets, and the cutting of one into the databases of several sites.

Every set comes with an installed package and none is copied into this repository.
"""

import numpy
import pandas
from lifelines import datasets
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from statsmodels.datasets import anes96, randhie

SEED = 20221116


def rossi() -> pandas.DataFrame:
    """432 released prisoners, followed for 52 weeks. Source: lifelines (Rossi et al., 1980)."""
    return datasets.load_rossi()


def lung() -> pandas.DataFrame:
    """228 patients with lung cancer, with missing values. Source: lifelines (Loprinzi, 1994)."""
    return datasets.load_lung()


def gbsg2() -> pandas.DataFrame:
    """686 patients with breast cancer. Source: lifelines (Schumacher et al., 1994)."""
    return datasets.load_gbsg2()


def breast_cancer() -> pandas.DataFrame:
    """569 biopsies, 30 measures and `target`. Source: scikit-learn (Wolberg et al., 1995)."""
    return load_breast_cancer(as_frame=True).frame


def diabetes() -> pandas.DataFrame:
    """442 patients, ten measures and `target`. Source: scikit-learn (Efron et al., 2004)."""
    return load_diabetes(as_frame=True, scaled=False).frame


def iris() -> pandas.DataFrame:
    """150 flowers of three species. Source: scikit-learn (Fisher, 1936)."""
    return load_iris(as_frame=True).frame


def doctor_visits() -> pandas.DataFrame:
    """20,190 person-years with numbers of visits. Source: statsmodels (RAND experiment, 1982)."""
    return randhie.load_pandas().data


def election() -> pandas.DataFrame:
    """944 voters of 1996. Source: statsmodels (American National Election Studies)."""
    return anes96.load_pandas().data


def cut(frame: pandas.DataFrame, sites: int, seed: int = SEED) -> list[pandas.DataFrame]:
    """Cut a table into uneven, disjoint parts, one for each site, that together are all of it.

    Rows are shuffled first; the largest site gets about five times as many as the smallest.
    """
    shuffled = frame.sample(frac=1, random_state=seed)
    shares = numpy.linspace(5, 1, sites)
    ends = numpy.round(numpy.cumsum(shares) / shares.sum() * len(frame)).astype(int)[:-1]
    rows = numpy.split(numpy.arange(len(frame)), ends)
    return [shuffled.iloc[part].reset_index(drop=True) for part in rows]
