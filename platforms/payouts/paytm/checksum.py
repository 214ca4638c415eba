"""Paytm's checksum: a salted SHA-256 of the body, encrypted with the merchant's key. Pure, but for the salt."""

import base64
import binascii
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

START = b"@@@@&&&&####$$$$"  # the initial vector, the same for everybody
SALT = 4
KEY_LENGTHS = (16, 24, 32)


def is_key(key: str) -> bool:
    """Whether this can be a merchant key: 16, 24 or 32 plain characters."""
    return key.isascii() and len(key) in KEY_LENGTHS


def sign(body: bytes, *, key: str, salt: str = "") -> str:
    """The checksum of these bytes. `key` must be one that `is_key` takes; the salt is drawn unless given."""
    salt = salt or secrets.token_hex(SALT // 2)
    pad = padding.PKCS7(AES.block_size).padder()
    padded = pad.update(_digest(body, salt)) + pad.finalize()
    encrypt = Cipher(AES(key.encode()), CBC(START)).encryptor()
    return base64.b64encode(encrypt.update(padded) + encrypt.finalize()).decode()


def fits(body: bytes, checksum: str, *, key: str) -> bool:
    """Whether the checksum was made of these very bytes with this key. False for anything that is none."""
    try:
        sealed = base64.b64decode(checksum, validate=True)
        decrypt = Cipher(AES(key.encode()), CBC(START)).decryptor()
        unpad = padding.PKCS7(AES.block_size).unpadder()
        opened = unpad.update(decrypt.update(sealed) + decrypt.finalize()) + unpad.finalize()
    except (binascii.Error, ValueError):
        return False
    salt = opened[64:].decode("ascii", "replace")
    return len(opened) == 64 + SALT and hmac.compare_digest(opened, _digest(body, salt))


def _digest(body: bytes, salt: str) -> bytes:
    return hashlib.sha256(body + b"|" + salt.encode()).hexdigest().encode() + salt.encode()
