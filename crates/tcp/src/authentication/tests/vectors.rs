//! The test vectors of RFC 9235: whole segments between 10.11.12.13 (or fd00::1) and
//! 172.27.28.29 (or fd00::2), each with its text left out where that is the same in all of them.

use super::super::Algorithm;
use std::format;
use std::vec::Vec;

/// SYN, SYN,ACK, and one segment with text of either side.
pub(super) struct Vector {
    pub(super) section: &'static str,
    pub(super) is_v4: bool,
    pub(super) algorithm: Algorithm,
    pub(super) covers_options: bool,
    /// The client's, the server's.
    pub(super) isns: [u32; 2],
    /// Headers with options, in hexadecimal.
    pub(super) headers: [&'static str; 4],
    /// Traffic keys of the same.
    pub(super) keys: [&'static str; 4],
}

/// What the text of segments with text is (the open message of a BGP speaker): of the client's and
/// the server's, in IPv4 and in IPv6.
pub(super) fn text(is_v4: bool, is_client: bool) -> Vec<u8> {
    let [number, identifier] = match (is_v4, is_client) {
        (true, true) => ["dabf", "0a0b0c0d"],
        (true, false) => ["dac0", "ac1b1c1d"],
        (false, true) => ["fde8", "01010179"],
        (false, false) => ["fde8", "0101017a"],
    };
    super::octets(&format!(
        "ffffffffffffffffffffffffffffffff00430104{number}00b4{identifier}\
         260206010400010001020280000202020002024200020641040000{number}02084006006400010100"
    ))
}

pub(super) const VECTORS: [Vector; 8] = [
    Vector {
        section: "4.1",
        is_v4: true,
        algorithm: Algorithm::HmacSha1,
        covers_options: true,
        isns: [0xfbfb_ab5a, 0x11c1_4261],
        headers: [
            "e9d700b3fbfbab5a00000000e002ffffcac40000020405b4010303080402080a00155ab700000000 \
             1d103d542ee437c6f8ede6d7c4d602e7",
            "00b3e9d711c14261fbfbab5be012ffff37760000020405b4010303080402080a84a50beb00155ab7 \
             1d10543deeab0fe24c3010815116b3be",
            "e9d700b3fbfbab5b11c14262c0180104a16200000101080a00155ac184a50beb \
             1d103d547064cf998cc6c315c2c2e2bf",
            "00b3e9d711c14262fbfbab9ec0180100400c00000101080a84a50bf500155ac1 \
             1d10543da63f0ecbbb2e635c954deac7",
        ],
        keys: [
            "6d63ef1b02fe1509d4b1402707fd7b0416abb74f",
            "d9e217e4834a80ca2f3fd8de2e41b8e6797fea96",
            "d2e59c65ffc7b1a39347656463b70edc24a13d71",
            "d9e217e4834a80ca2f3fd8de2e41b8e6797fea96",
        ],
    },
    Vector {
        section: "4.2",
        is_v4: true,
        algorithm: Algorithm::HmacSha1,
        covers_options: false,
        isns: [0xcb0e_fbee, 0xacd5_b5e1],
        headers: [
            "ff1200b3cb0efbee00000000e002ffff541f0000020405b4010303080402080a00024cce00000000 \
             1d103d5480af3cfeb85368937b8f9ec2",
            "00b3ff12acd5b5e1cb0efbefe012ffff388e0000020405b4010303080402080a576772f300024cce \
             1d10543d09306f9acea63a8c68cb9a70",
            "ff1200b3cb0efbefacd5b5e2c01801046c4500000101080a00024cce576772f3 \
             1d103d54710608cc696c03a271c93aa5",
            "00b3ff12acd5b5e2cb0efc32c018010046b600000101080a576772f300024cce \
             1d10543d97766e48ac262de9ae61b4f9",
        ],
        keys: [
            "30eaa1560cf0be57dab5c045229fb10a423cd7ea",
            "b5b2896bb3664e8176b0edc6e799524101a8307f",
            "f3db1793d7910ecd806c34f155ea1f00345953e3",
            "b5b2896bb3664e8176b0edc6e799524101a8307f",
        ],
    },
    Vector {
        section: "5.1",
        is_v4: true,
        algorithm: Algorithm::Aes128Cmac,
        covers_options: true,
        isns: [0x787a_1ddf, 0xfadd_6de9],
        headers: [
            "c4fa00b3787a1ddf00000000e002ffff5a0f0000020405b4010303080402080a00017ed000000000 \
             1d103d54e477e99c8040765498e55091",
            "00b3c4fafadd6de9787a1de0e012fffff3f20000020405b4010303080402080a93f4e9e800017ed0 \
             1d10543dd6ada7bc4cdd536d1769db5f",
            "c4fa00b3787a1de0fadd6deac0180104950500000101080a00017ed093f4e9e8 \
             1d103d5477412742fa4dc433eff0973e",
            "00b3c4fafadd6dea787a1e23c0180100e7db00000101080a93f4e9e800017ed0 \
             1d10543df6d965a78382a74845f72dac",
        ],
        keys: [
            "f5b8b3d5f34fdbb6eb8d4ab9660e60e3",
            "4bc7571a486f3264bbd888474066b4b1",
            "8c8ae0e8371ec5cbb97ea79d90418391",
            "4bc7571a486f3264bbd888474066b4b1",
        ],
    },
    Vector {
        section: "5.2",
        is_v4: true,
        algorithm: Algorithm::Aes128Cmac,
        covers_options: false,
        isns: [0x389b_ed71, 0xd384_4a6f],
        headers: [
            "da1c00b3389bed7100000000e002ffff70bf0000020405b4010303080402080a000185e100000000 \
             1d103d54c44e60cb31f7c0b1de3d2749",
            "00b3da1cd3844a6f389bed72e012ffffe4450000020405b4010303080402080ace459838000185e1 \
             1d10543d3a6abb207e49b1be7136db90",
            "da1c00b3389bed72d3844a70c0180104885100000101080a000185e1ce459838 \
             1d103d547585e9e9d5c3ec857b96f837",
            "00b3da1cd3844a70389bed72c0180100044900000101080ace459838000185e1 \
             1d10543d5c040fd9233304765c0982f4",
        ],
        keys: [
            "2cdbae1392c49449fa92c4509735d50e",
            "3ce67a551869506b6347b633c50a624a",
            "035bc400a341ffe595f59f58005006ca",
            "3ce67a551869506b6347b633c50a624a",
        ],
    },
    Vector {
        section: "6.1",
        is_v4: false,
        algorithm: Algorithm::HmacSha1,
        covers_options: true,
        isns: [0x176a_833f, 0x3f51_994b],
        headers: [
            "f7e400b3176a833f00000000e002ffff47210000020405a0010303080402080a0041d08700000000 \
             1d103d549033ec3d7334b64c5edd039f",
            "00b3f7e43f51994b176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d087 \
             1d10543df1cba346c3526163f71f1f55",
            "f7e400b3176a83403f51994cc0180100329c00000101080a0041d091bd33129b \
             1d103d54bf0805feb4ac7b163d6fcdf2",
            "00b3f7e43f51994c176a8383c0180100ee6e00000101080abd3312a50041d091 \
             1d10543d6c48125c11335bab9a07a797",
        ],
        keys: [
            "625ec09d575836edc9b6428418bbf06989a361bb",
            "e4a37ada2a0afca8711434913fe138c771ebcb4a",
            "1ed82975f4ea444c61580c5bd90dbd61bbc91b7e",
            "e4a37ada2a0afca8711434913fe138c771ebcb4a",
        ],
    },
    Vector {
        section: "6.2",
        is_v4: false,
        algorithm: Algorithm::HmacSha1,
        covers_options: false,
        isns: [0x020c_1e69, 0xeba3_734d],
        headers: [
            "c6cd00b3020c1e6900000000e002ffffa41a0000020405a0010303080402080a009db95b00000000 \
             1d103d54885698b0530ed4d5a15f8346",
            "00b3c6cdeba3734d020c1e6ae012ffff774d0000020405a0010303080402080a5ec99b70009db95b \
             1d10543d3c546bad9743f12df8b8010d",
            "c6cd00b3020c1e6aeba3734ec018010083e600000101080a009db9655ec99b70 \
             1d103d5448bd093b1924e001192f5bf0",
            "00b3c6cdeba3734e020c1eadc0180100716a00000101080a5ec99b7a009db965 \
             1d10543d559a819445b4fde98d9e1317",
        ],
        keys: [
            "31a3faf69effae52931b7f845467315c270a4edc",
            "405108947f996575e7bdbc26d40216a2c7fa91bd",
            "b34eed6a9396a669f1c4f4f57618f3656f52c7ab",
            "405108947f996575e7bdbc26d40216a2c7fa91bd",
        ],
    },
    Vector {
        section: "7.1",
        is_v4: false,
        algorithm: Algorithm::Aes128Cmac,
        covers_options: true,
        isns: [0x193c_ccec, 0xa674_4ecb],
        headers: [
            "f85a00b3193cccec00000000e002ffffde5d0000020405a0010303080402080a13e4ab9900000000 \
             1d103d5459b588107481ac6dc3927040",
            "00b3f85aa6744ecb193cccede012ffffeabb0000020405a0010303080402080a71daabc813e4ab99 \
             1d10543ddc2843a84e78a6bcfdc5ed80",
            "f85a00b3193ccceda6744eccc0180100328000000101080a13e4aba371daabc8 \
             1d103d547b6a455c0d4f5f01835baab3",
            "00b3f85aa6744ecc193ccd30c018010052f400000101080a71daabd313e4aba3 \
             1d10543dc1069b7dfd3d693a6df3f289",
        ],
        keys: [
            "fa5a2108882d39d0c71929175ab1b7b8",
            "cf1b1e225e06a63616764a067b46f4b1",
            "6174c3557abed27574dba37185f00300",
            "cf1b1e225e06a63616764a067b46f4b1",
        ],
    },
    Vector {
        section: "7.2",
        is_v4: false,
        algorithm: Algorithm::Aes128Cmac,
        covers_options: false,
        isns: [0xb01d_a74a, 0xa624_6145],
        headers: [
            "f28800b3b01da74a00000000e002ffff75ff0000020405a0010303080402080a14275b3b00000000 \
             1d103d543d45b4342de8bb1530847898",
            "00b3f288a6246145b01da74be012ffffa70c0000020405a0010303080402080a1782245b14275b3b \
             1d10543d1d01f6c87c6f93acffa9d4b5",
            "f28800b3b01da74ba6246146c0180100c36d00000101080a14275b4f1782245b \
             1d103d54290cf414ccb47a333276e7f8",
            "00b3f288a6246146b01da78ec0180100345100000101080a1782246514275b4f \
             1d10543d99515ffcd5403499f619fd1b",
        ],
        keys: [
            "a94f511263e4093d35dd818c13bbbf53",
            "92dea5bbc78b1d9f5b2952e9cd30642a",
            "4fb2086e402c679079ed65d4bf97693d",
            "92dea5bbc78b1d9f5b2952e9cd30642a",
        ],
    },
];
