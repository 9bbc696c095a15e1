"""Name and password to a login, and its end."""

from __future__ import annotations

import logging

from tornado.web import HTTPError

from nasfarm.web import guard
from nasfarm.web.base import LOGIN, LOGIN_DAYS, TOO_MANY, Base

log = logging.getLogger(__name__)


class Login(Base):
    """The form, and what it is sent to."""

    is_open = True
    for_all = True

    def get(self) -> None:
        if self.who is None:
            self.refuse()
        else:
            self.redirect("/", status=303)

    async def post(self) -> None:
        name, password = (
            self.get_body_argument("name", ""),
            self.get_body_argument("password", "", strip=False),
        )
        try:
            who = await self.checked(name, password)
        except HTTPError as error:
            if error.status_code != 429:
                raise
            self.refuse(TOO_MANY, status=429)
            return
        if who is None:
            self.refuse("The name or the password is wrong.")
            return
        user = self.site.users.all()[name]
        self.set_signed_cookie(
            LOGIN, f"{name}|{user.mark}", expires_days=LOGIN_DAYS, httponly=True,
            samesite="Strict", secure=self.request.protocol == "https",
        )  # fmt: skip
        log.info("logged in", extra={"action": "login", "user": name})
        self.redirect(guard.local_path(self.get_body_argument("next", "/")), status=303)


class Logout(Base):
    """The end of a login."""

    for_all = True

    def post(self) -> None:
        self.clear_cookie(LOGIN)
        self.redirect("/", status=303)
