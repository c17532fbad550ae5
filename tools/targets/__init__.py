# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench`: each performance target beside its measured figure, from one run."""
