"""Forms of sign-up and settings."""

from allauth.account.forms import SignupForm as AllauthSignupForm


class SignupForm(AllauthSignupForm):
    """E-mail and one password field."""
