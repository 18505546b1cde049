// One pass over a picture, along one of its axes: what all of them are told, and where a pixel is.

uniform sampler2D picture;  // sRGB code values, row 0 on top
uniform ivec2 axis;         // (1, 0): along x, (0, 1): along y
uniform float start;        // where the shown part begins along the axis, picture pixels
uniform ivec2 corner;       // lower left corner of the shown area in the target
uniform int flip;           // height of the area where the target's row 0 is at the bottom, else 0
uniform float level;        // factor on code values

out vec4 colour;

// The pixel of the shown area, row 0 on top.
ivec2 here() {
    ivec2 at = ivec2(gl_FragCoord.xy) - corner;
    if (flip > 0) at.y = flip - 1 - at.y;
    return at;
}
