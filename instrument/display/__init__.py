"""From a picture to light: programs, presenter, HUD, window, and the same treatment for films.

The only package that knows OpenGL and GLFW. It knows neither z nor decoder nor who plays: it is
handed pixels, a `Look` and a `Hud`, and hands back what hands did, as control events.
"""
