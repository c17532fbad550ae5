# SPDX-License-Identifier: LGPL-2.1-or-later
# Guest 1 grants a page to guest 2, which maps it: as root, then as the unprivileged user.
case $ROLE in
1) ./grant share "$DOM2" && barrier root && as-user ./grant share "$DOM2" ;;
2) ./grant map "$DOM1" && xenstore-rm /xenlab/job/reference && barrier root &&
    as-user ./grant map "$DOM1" ;;
esac
